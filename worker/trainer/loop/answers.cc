#include "worker/trainer/loop/answers.h"

#include <algorithm>

#include "worker/trainer/inference/generate.h"
#include "worker/trainer/scoring/chrf.h"

namespace lathe::trainer::loop {
namespace {

/// Keys and values that are kept for answers that are generated at the same time.
constexpr std::int64_t kCacheBytes = std::int64_t{512} << 20;

/// So many of `count` things, evenly spaced.
std::vector<std::size_t> Spread(std::size_t count, std::size_t wanted) {
  std::vector<std::size_t> chosen(std::min(count, wanted));
  for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] = i * count / chosen.size();
  return chosen;
}

std::int64_t CacheBytes(const model::Decoder& decoder, std::size_t prompt) {
  const auto tokens = static_cast<std::int64_t>(prompt) + kAnswerTokens;
  const auto layers = static_cast<std::int64_t>(decoder.layers.size());
  return 2 * layers * tokens * decoder.description.KeyWidth() *
         static_cast<std::int64_t>(decoder.embedding.element_size());
}

/// An answer within an example, without the token that ends it.
struct Candidate {
  std::span<const std::int64_t> prompt;
  std::span<const std::int64_t> answer;
};

std::vector<Candidate> Candidates(const MeasuredAnswers::Source& source,
                                  const std::vector<std::int64_t>& stop) {
  std::vector<Candidate> found;
  for (std::size_t i = 0; i < source.examples.size(); i += source.group) {
    const std::span<const std::int64_t> tokens = source.examples[i].tokens;
    for (const data::TokenRange& range : source.examples[i].answers) {
      const auto answer = tokens.subspan(range.begin, range.end - range.begin);
      const auto end = std::find_first_of(answer.begin(), answer.end(), stop.begin(), stop.end());
      found.push_back({tokens.first(range.begin),
                       answer.first(static_cast<std::size_t>(end - answer.begin()))});
    }
  }
  return found;
}

}  // namespace

struct MeasuredAnswers::Sums {
  double tool_answers = 0;
  double right_calls = 0;
  double quality_answers = 0;
  double quality = 0;
  double answers = 0;
  double tokens = 0;

  void AddUp(const distributed::Group& group) {
    std::vector<double> values = {tool_answers, right_calls, quality_answers,
                                  quality,      answers,     tokens};
    group.Sum(values);
    tool_answers = values[0];
    right_calls = values[1];
    quality_answers = values[2];
    quality = values[3];
    answers = values[4];
    tokens = values[5];
  }
};

MeasuredAnswers::MeasuredAnswers(const plan::EvaluationPlan& wanted, const Source& source)
    : text_model_(source.text_model), stop_tokens_(source.stop_tokens) {
  const auto warn = [&](bool asked, const char* metric, const std::string& why) {
    if (!asked) return;
    warnings_.push_back("evaluation.metrics: " + std::string(metric) + " is not measured: " + why);
  };
  const auto warn_both = [&](const std::string& why) {
    warn(wanted.tool_accuracy, "tool_accuracy", why);
    warn(wanted.response_quality, "response_quality", why);
  };
  if (!text_model_) {
    warn_both("the model has no tokenizer that can be read");
    return;
  }
  const auto& stop = text_model_->tokenizer().special_ids().stop;
  stop_tokens_.insert(stop_tokens_.end(), stop.begin(), stop.end());
  Collect(wanted, source);
  const auto some = [&](bool Answer::*use) {
    return std::any_of(answers_.begin(), answers_.end(),
                       [&](const Answer& answer) { return answer.*use; });
  };
  if (!some(&Answer::for_quality)) {
    warn(wanted.response_quality, "response_quality",
         "in the validation data no answer can be told from its prompt");
  }
  if (!format_) {
    warn(
        wanted.tool_accuracy, "tool_accuracy",
        "the model's chat template writes no calls of tools, or none that can be read back, and no "
        "answer of the validation data has any in a common form");
  } else if (!some(&Answer::for_tools)) {
    warn(wanted.tool_accuracy, "tool_accuracy",
         "no answer of the validation data calls a tool within " + std::to_string(kAnswerTokens) +
             " tokens");
  }
}

std::string MeasuredAnswers::TextOf(std::span<const std::int64_t> tokens) const {
  const std::vector<std::int32_t> ids(tokens.begin(), tokens.end());
  return text_model_->tokenizer().Decode(ids);
}

void MeasuredAnswers::Collect(const plan::EvaluationPlan& wanted, const Source& source) {
  const auto candidates = Candidates(source, stop_tokens_);
  std::vector<Answer> answers(candidates.size());
  std::vector<std::size_t> with_calls;
  std::vector<std::string> texts(wanted.tool_accuracy ? candidates.size() : 0);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto& answer = candidates[i].answer;
    if (answer.size() <= static_cast<std::size_t>(kAnswerTokens)) texts[i] = TextOf(answer);
  }
  if (wanted.tool_accuracy) format_ = scoring::ToolCallFormat::Choose(*text_model_, texts);
  for (std::size_t i = 0; i < texts.size() && format_; ++i) {
    answers[i].calls = format_->Read(texts[i]);
    if (!answers[i].calls.empty()) with_calls.push_back(i);
  }
  for (const std::size_t i : Spread(with_calls.size(), kMeasuredAnswers)) {
    answers[with_calls[i]].for_tools = true;
  }
  const std::size_t of_quality = wanted.response_quality ? kMeasuredAnswers : 0;
  for (const std::size_t i : Spread(answers.size(), of_quality)) answers[i].for_quality = true;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].for_tools && !answers[i].for_quality) continue;
    const auto& [prompt, answer] = candidates[i];
    answers[i].prompt.assign(prompt.begin(), prompt.end());
    answers[i].reference =
        TextOf(answer.first(std::min(answer.size(), static_cast<std::size_t>(kAnswerTokens))));
    answers_.push_back(std::move(answers[i]));
  }
}

void MeasuredAnswers::Add(const Answer& answer, const std::string& text, Sums& sums) const {
  ++sums.answers;
  if (answer.for_tools) {
    ++sums.tool_answers;
    sums.right_calls += scoring::SameCalls(format_->Read(text), answer.calls) ? 1 : 0;
  }
  if (answer.for_quality) {
    ++sums.quality_answers;
    sums.quality += scoring::ChrF(text, answer.reference);
  }
}

void MeasuredAnswers::Generate(const std::vector<const Answer*>& batch,
                               const model::Decoder& decoder, const model::Additions& additions,
                               const std::function<bool()>& stop, Sums& sums) const {
  std::vector<std::vector<std::int64_t>> prompts;
  for (const Answer* answer : batch) prompts.push_back(answer->prompt);
  std::vector<std::vector<std::int64_t>> said(batch.size());
  inference::Generate(decoder, additions, prompts,
                      {.max_tokens = kAnswerTokens, .sampling = {}, .stop_tokens = stop_tokens_},
                      {.token =
                           [&](std::size_t i, std::int64_t token) {
                             said[i].push_back(token);
                             return true;
                           },
                       .stop = stop});
  for (std::size_t i = 0; i < batch.size(); ++i) {
    sums.tokens += static_cast<double>(said[i].size());
    Add(*batch[i], TextOf(said[i]), sums);
  }
}

std::optional<AnswerScores> MeasuredAnswers::Score(const model::Decoder& decoder,
                                                   const model::Additions& additions,
                                                   const distributed::Group& group,
                                                   const std::function<bool()>& stop) const {
  Sums sums;
  const auto step = static_cast<std::size_t>(group.size());
  auto next = static_cast<std::size_t>(group.rank());
  bool stopped = stop();
  while (next < answers_.size() && !stopped) {
    std::vector<const Answer*> batch;
    std::int64_t bytes = 0;
    for (; next < answers_.size() && (batch.empty() || bytes < kCacheBytes); next += step) {
      batch.push_back(&answers_[next]);
      bytes += CacheBytes(decoder, answers_[next].prompt.size());
    }
    Generate(
        batch, decoder, additions, [&] { return stopped = stopped || stop(); }, sums);
  }
  model::AwaitOthers(decoder);
  if (group.Any(stopped)) return std::nullopt;
  sums.AddUp(group);
  AnswerScores scores{.answers = static_cast<std::int64_t>(sums.answers),
                      .tokens = static_cast<std::int64_t>(sums.tokens)};
  if (sums.tool_answers > 0) scores.tool_accuracy = sums.right_calls / sums.tool_answers;
  if (sums.quality_answers > 0) scores.response_quality = sums.quality / sums.quality_answers;
  return scores;
}

}  // namespace lathe::trainer::loop
