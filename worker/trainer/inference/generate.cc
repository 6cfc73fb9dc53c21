#include "worker/trainer/inference/generate.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "worker/trainer/inference/cached_forward.h"

namespace lathe::trainer::inference {
namespace {

at::Tensor ToTensor(std::span<const std::int64_t> tokens, const at::Device& device) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(tokens.size())}, at::kLong);
  std::copy(tokens.begin(), tokens.end(), static_cast<std::int64_t*>(tensor.data_ptr()));
  return tensor.to(device);
}

/// A sequence that grows.
struct Answer {
  Generation generation;
  Random random;
  KeyValueCache cache;
  std::vector<std::int64_t> tokens;  ///< prompt and answer, where repetition is penalised
  std::int64_t last = 0;             ///< chosen, not yet in the cache
  bool ended = false;
};

/// Answers in the making.
class Generator {
 public:
  Generator(const model::Decoder& decoder, const model::Additions& additions,
            const GenerationSettings& settings, const GenerationCalls& calls)
      : decoder_(decoder), additions_(additions), settings_(settings), calls_(calls) {}

  /// Computes a prompt and chooses the first token behind it.
  void Begin(const std::vector<std::int64_t>& prompt) {
    const std::size_t index = answers_.size();
    const auto length = static_cast<std::int64_t>(prompt.size());
    answers_.push_back({.generation = {},
                        .random = Random(settings_.seed),
                        .cache = MakeCache(decoder_, additions_, length + settings_.max_tokens)});
    const at::Tensor logits =
        Append(decoder_, additions_, ToTensor(prompt, decoder_.device()), answers_.back().cache);
    if (settings_.sampling.repetition_penalty != 1) answers_.back().tokens = prompt;
    Choose(index, logits.to(at::kCPU));
  }

  /// Goes on with all that have not ended; false when there are none.
  bool Step() {
    std::vector<std::size_t> open;
    std::vector<std::int64_t> tokens;
    std::vector<KeyValueCache*> caches;
    for (std::size_t i = 0; i < answers_.size(); ++i) {
      if (answers_[i].ended) continue;
      open.push_back(i);
      tokens.push_back(answers_[i].last);
      caches.push_back(&answers_[i].cache);
    }
    if (open.empty()) return false;
    const at::Tensor logits =
        AppendToEach(decoder_, additions_, ToTensor(tokens, decoder_.device()), caches)
            .to(at::kCPU);
    for (std::size_t row = 0; row < open.size(); ++row) {
      Choose(open[row], logits.select(0, static_cast<std::int64_t>(row)));
    }
    return true;
  }

  std::vector<Generation> Results() const {
    std::vector<Generation> results;
    for (const Answer& answer : answers_) results.push_back(answer.generation);
    return results;
  }

 private:
  void Choose(std::size_t index, const at::Tensor& logits) {
    Answer& answer = answers_[index];
    const std::span<float> scores(static_cast<float*>(logits.data_ptr()),
                                  static_cast<std::size_t>(logits.numel()));
    if (std::any_of(scores.begin(), scores.end(), [](float x) { return std::isnan(x); })) {
      return End(answer, FinishReason::kNotFinite);
    }
    PenalizeRepetition(scores, answer.tokens, settings_.sampling.repetition_penalty);
    answer.last = Sample(scores, settings_.sampling, answer.random);
    const auto& stop = settings_.stop_tokens;
    if (std::find(stop.begin(), stop.end(), answer.last) != stop.end()) {
      return End(answer, FinishReason::kStop);
    }
    if (settings_.sampling.repetition_penalty != 1) answer.tokens.push_back(answer.last);
    ++answer.generation.tokens;
    if (!calls_.token(index, answer.last)) return End(answer, FinishReason::kStop);
    if (answer.generation.tokens == settings_.max_tokens) End(answer, FinishReason::kLength);
  }

  static void End(Answer& answer, FinishReason reason) {
    answer.generation.reason = reason;
    answer.ended = true;
    answer.cache = {};  // Its memory is not needed any more.
  }

  const model::Decoder& decoder_;
  const model::Additions& additions_;
  const GenerationSettings& settings_;
  const GenerationCalls& calls_;
  std::vector<Answer> answers_;
};

}  // namespace

std::vector<Generation> Generate(const model::Decoder& decoder, const model::Additions& additions,
                                 const std::vector<std::vector<std::int64_t>>& prompts,
                                 const GenerationSettings& settings, const GenerationCalls& calls) {
  if (settings.max_tokens <= 0) return std::vector<Generation>(prompts.size());
  const auto stopped = [&] { return calls.stop && calls.stop(); };
  Generator generator(decoder, additions, settings, calls);
  for (const std::vector<std::int64_t>& prompt : prompts) {
    if (stopped()) return std::vector<Generation>(prompts.size());
    generator.Begin(prompt);
  }
  while (!stopped() && generator.Step()) {
  }
  return generator.Results();
}

}  // namespace lathe::trainer::inference
