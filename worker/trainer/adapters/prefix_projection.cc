#include "worker/trainer/adapters/prefix_projection.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tanh.h>

#include <cmath>

#include "worker/trainer/model/product.h"

namespace lathe::trainer::adapters {

PrefixProjection::PrefixProjection(const model::Decoder& decoder, const PrefixSettings& settings,
                                   const at::Tensor& start, std::uint64_t seed) {
  const std::int64_t token_dim = decoder.description.KeyWidth();
  const std::int64_t size = settings.projection_size.value();
  const std::int64_t width = PrefixWidth(decoder);
  const NamedShape shapes[] = {{"embedding.weight", {settings.length, token_dim}},
                               {"transform.0.weight", {size, token_dim}},
                               {"transform.0.bias", {size}},
                               {"transform.2.weight", {width, size}},
                               {"transform.2.bias", {width}}};
  flat_ = AllocateFlat(decoder, shapes, Purpose::kTraining);
  const Values values = Of(flat_.parameters);
  at::Generator generator = MakeGenerator(seed, 0);
  const double bound = 1.0 / std::sqrt(static_cast<double>(token_dim));
  values.embedding.copy_(at::empty(values.embedding.sizes(), at::kFloat).normal_(0, 1, generator));
  for (const at::Tensor& to : {values.in, values.in_bias}) {
    to.copy_(at::empty(to.sizes(), at::kFloat).uniform_(-bound, bound, generator));
  }
  const at::Tensor wanted = start.to(at::kCPU, at::kDouble);
  const at::Tensor mean = wanted.mean(0);
  const at::Tensor hidden = Hidden(values).to(at::kCPU, at::kDouble);
  values.out.copy_(at::mm(at::linalg_pinv(hidden), wanted - mean).t());
  values.out_bias.copy_(mean);
}

PrefixProjection::Values PrefixProjection::Of(const at::Tensor& flat) const {
  const auto& views = flat_.views;
  return {views[0].Of(flat), views[1].Of(flat), views[2].Of(flat), views[3].Of(flat),
          views[4].Of(flat)};
}

at::Tensor PrefixProjection::Hidden(const Values& values) {
  return at::tanh(model::Product(values.embedding, values.in, values.in_bias));
}

at::Tensor PrefixProjection::Rows() const {
  const Values values = Of(flat_.parameters);
  return model::Product(Hidden(values), values.out, values.out_bias);
}

void PrefixProjection::AddGradients(const at::Tensor& drows) const {
  const Values values = Of(flat_.parameters);
  const Values gradients = Of(flat_.gradients);
  const at::Tensor hidden = Hidden(values);
  model::AddGradient({drows, hidden, 1, gradients.out});
  gradients.out_bias.add_(drows.sum(0));
  const at::Tensor dinside = model::Product(drows, values.out.t()).mul_(1 - hidden * hidden);
  model::AddGradient({dinside, values.embedding, 1, gradients.in});
  gradients.in_bias.add_(dinside.sum(0));
  gradients.embedding.add_(model::Product(dinside, values.in.t()));
}

}  // namespace lathe::trainer::adapters
