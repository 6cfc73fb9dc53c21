#pragma once
// Text generation: prompts' tokens in, tokens out as they come.

#include <functional>
#include <vector>

#include "worker/trainer/inference/sampling.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::inference {

struct GenerationSettings {
  std::int64_t max_tokens = 0;  ///< of each answer
  SamplingSettings sampling;
  std::uint64_t seed = 0;  ///< of each prompt: it gets the answer that it gets alone
  std::vector<std::int64_t> stop_tokens;
};

enum class FinishReason {
  kStop,       ///< a stop token, or the caller has enough
  kLength,     ///< max_tokens
  kNotFinite,  ///< the model's logits were NaN
};

struct Generation {
  std::int64_t tokens = 0;  ///< generated, without the stop token
  FinishReason reason = FinishReason::kLength;
};

struct GenerationCalls {
  /// Gets each token of the answer to that prompt as it is chosen, without the stop token; false
  /// ends that answer with it.
  std::function<bool(std::size_t prompt, std::int64_t token)> token;
  /// Asked before each step; true ends all answers where they are. May be empty.
  std::function<bool()> stop = {};
};

/// Answers several prompts at the same time, one row of each step for each of them that has not
/// come to its end. No prompt is empty; each is, with max_tokens, within the positions that the
/// decoder was loaded for. Returns one result a prompt.
std::vector<Generation> Generate(const model::Decoder& decoder, const model::Additions& additions,
                                 const std::vector<std::vector<std::int64_t>>& prompts,
                                 const GenerationSettings& settings, const GenerationCalls& calls);

}  // namespace lathe::trainer::inference
