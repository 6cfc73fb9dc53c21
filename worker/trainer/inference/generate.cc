#include "worker/trainer/inference/generate.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "worker/trainer/inference/cached_forward.h"

namespace lathe::trainer::inference {
namespace {

at::Tensor ToTensor(const std::vector<std::int64_t>& tokens, const at::Device& device) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(tokens.size())}, at::kLong);
  std::copy(tokens.begin(), tokens.end(), static_cast<std::int64_t*>(tensor.data_ptr()));
  return tensor.to(device);
}

}  // namespace

Generation Generate(const model::Decoder& decoder, const model::Additions& additions,
                    const std::vector<std::int64_t>& prompt, const GenerationSettings& settings,
                    const std::function<void(std::int64_t)>& on_token) {
  const auto& stop = settings.stop_tokens;
  Random random(settings.seed);
  KeyValueCache cache =
      MakeCache(decoder, additions, static_cast<std::int64_t>(prompt.size()) + settings.max_tokens);
  Generation generation;
  std::vector<std::int64_t> next = prompt;
  while (generation.tokens < settings.max_tokens) {
    const at::Tensor logits =
        Append(decoder, additions, ToTensor(next, decoder.device()), cache).to(at::kCPU);
    const std::int64_t token = Sample(
        {static_cast<const float*>(logits.data_ptr()), static_cast<std::size_t>(logits.numel())},
        settings.sampling, random);
    if (std::find(stop.begin(), stop.end(), token) != stop.end()) {
      generation.reason = FinishReason::kStop;
      return generation;
    }
    ++generation.tokens;
    on_token(token);
    next = {token};
  }
  return generation;
}

}  // namespace lathe::trainer::inference
