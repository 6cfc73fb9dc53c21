#pragma once
// Text generation: a prompt's tokens in, tokens out as they come.

#include <functional>
#include <vector>

#include "worker/trainer/inference/sampling.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::inference {

struct GenerationSettings {
  std::int64_t max_tokens = 256;
  SamplingSettings sampling;
  std::uint64_t seed = 42;
  std::vector<std::int64_t> stop_tokens;
};

enum class FinishReason { kStop, kLength };

struct Generation {
  std::int64_t tokens = 0;  ///< generated, without the stop token
  FinishReason reason = FinishReason::kLength;
};

/// `prompt` is not empty and, with max_tokens, within the positions that the decoder was loaded
/// for. on_token gets each token as it is chosen, without the stop token.
Generation Generate(const model::Decoder& decoder, const model::Additions& additions,
                    const std::vector<std::int64_t>& prompt, const GenerationSettings& settings,
                    const std::function<void(std::int64_t)>& on_token);

}  // namespace lathe::trainer::inference
