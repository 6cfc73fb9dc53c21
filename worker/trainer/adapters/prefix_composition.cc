#include "worker/trainer/adapters/prefix_composition.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <cmath>

#include "worker/trainer/kernels/ops.h"

namespace lathe::trainer::adapters {
namespace {

/// keys [kv_heads, P, head_dim] of a layer, as if they had been `positions` further on.
at::Tensor Turned(const model::Decoder& decoder, std::size_t layer, const at::Tensor& keys,
                  std::int64_t positions) {
  const auto& rope = decoder.description.layer[layer].rope;
  if (positions == 0 || !rope) return keys;
  const auto frequencies = model::RopeFrequencies(decoder.description.ropes[*rope], 0);
  const auto half = static_cast<std::int64_t>(frequencies.size());
  at::Tensor cosine = at::empty({half}, at::kFloat);
  at::Tensor sine = at::empty({half}, at::kFloat);
  for (std::int64_t i = 0; i < half; ++i) {
    const double frequency = static_cast<double>(frequencies[static_cast<std::size_t>(i)]);
    const double angle = static_cast<double>(positions) * frequency;
    cosine.data_ptr<float>()[i] = static_cast<float>(std::cos(angle));
    sine.data_ptr<float>()[i] = static_cast<float>(std::sin(angle));
  }
  const std::int64_t length = keys.size(1);
  const auto rows = [&](const at::Tensor& angles) {
    return angles.expand({length, half}).contiguous().to(keys.device());
  };
  at::Tensor turned = keys.to(at::kFloat).transpose(0, 1).flatten(1).contiguous();
  kernels::ApplyRope(turned, {0, keys.size(0), keys.size(2)}, rows(cosine), rows(sine),
                     kernels::Rotation::kForward);
  return turned.view({length, keys.size(0), keys.size(2)}).transpose(0, 1).to(keys.scalar_type());
}

}  // namespace

model::PrefixSet ComposePrefixes(const model::Decoder& decoder, CompositionOrder order,
                                 std::span<const model::PrefixSet* const> prefixes) {
  if (prefixes.size() == 1) return *prefixes[0];
  std::int64_t total = 0;
  for (const model::PrefixSet* prefix : prefixes) total += prefix->length();
  model::PrefixSet set;
  for (std::size_t layer = 0; !prefixes.empty() && layer < decoder.layers.size(); ++layer) {
    std::vector<at::Tensor> keys;
    std::vector<at::Tensor> values;
    std::int64_t before = 0;
    for (const model::PrefixSet* prefix : prefixes) {
      const model::PrefixLayer& from = prefix->layers[layer];
      const std::int64_t begin =
          order == CompositionOrder::kInTurn ? before : total - prefix->length();
      keys.push_back(Turned(decoder, layer, from.keys, begin));
      values.push_back(from.values);
      before += prefix->length();
    }
    set.layers.push_back({at::cat(keys, 1), at::cat(values, 1), {}, {}});
  }
  return set;
}

}  // namespace lathe::trainer::adapters
