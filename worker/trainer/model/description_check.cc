#include "worker/trainer/model/description_check.h"

namespace lathe::trainer::model {

Status CheckDescription(const ModelDescription& d, const std::string& source) {
  const auto fail = [&](const std::string& message) -> Status {
    return Failure(ErrorCode::kInvalidArgument, source + ": " + message);
  };
  constexpr std::int64_t kLimit = std::int64_t{1} << 24;
  for (const auto& [name, value] : {std::pair{"vocabulary", d.vocabulary},
                                    {"hidden size", d.hidden},
                                    {"layer count", d.layers},
                                    {"head count", d.heads},
                                    {"key/value head count", d.kv_heads},
                                    {"head size", d.head_dim},
                                    {"feed-forward size", d.intermediate}}) {
    if (value < 1 || value > kLimit) {
      return fail(std::string(name) + " " + std::to_string(value) + " is not between 1 and " +
                  std::to_string(kLimit));
    }
  }
  // Layers are laid out before the weights are looked for; a damaged count must not fill the
  // memory.
  constexpr std::int64_t kMaxLayers = 4096;
  if (d.layers > kMaxLayers) {
    return fail("layer count " + std::to_string(d.layers) + " is above " +
                std::to_string(kMaxLayers));
  }
  if (d.heads % d.kv_heads != 0) {
    return fail(std::to_string(d.heads) + " heads do not divide evenly among " +
                std::to_string(d.kv_heads) + " key/value heads");
  }
  if (d.head_dim % 2 != 0) return fail("head size " + std::to_string(d.head_dim) + " is odd");
  const std::size_t half = static_cast<std::size_t>(d.head_dim / 2);
  if (!d.rope.frequency_divisors.empty() && d.rope.frequency_divisors.size() != half) {
    return fail("rope_freqs has " + std::to_string(d.rope.frequency_divisors.size()) +
                " values, expected " + std::to_string(half));
  }
  return {};
}

}  // namespace lathe::trainer::model
