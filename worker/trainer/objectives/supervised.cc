#include "worker/trainer/objectives/supervised.h"

#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "worker/trainer/kernels/ops.h"
#include "worker/trainer/model/dropout.h"

namespace lathe::trainer::objectives {
namespace {

/// Rows at a time: few enough that their logits stay near 64 MB, enough to keep the cores busy.
std::int64_t ChunkRows(std::int64_t vocabulary) {
  constexpr std::int64_t kLogits = std::int64_t{1} << 24;
  return std::clamp<std::int64_t>(kLogits / vocabulary, 16, 4096);
}

/// The head's tape for one chunk; dropout masks differ between chunks.
model::LinearTape MakeTape(const model::PassContext& pass, const model::LowRankGroup* group,
                           const at::Tensor& x, std::int64_t begin) {
  model::LinearTape tape;
  if (group != nullptr && pass.additions.low_rank.dropout > 0) {
    const std::uint64_t index =
        model::HeadGroupIndex(pass.decoder) + static_cast<std::uint64_t>(begin);
    tape.dropout_mask = model::DropoutMask(x, pass.additions.low_rank.dropout,
                                           model::MixSeed(pass.options.dropout_seed, index));
  }
  return tape;
}

}  // namespace

SupervisedLoss ComputeSupervisedLoss(const model::PassContext& pass, const at::Tensor& hidden,
                                     const Targets& targets, double gradient_scale) {
  const model::Decoder& decoder = pass.decoder;
  const bool train = gradient_scale != 0;
  const model::LowRankGroup* group = pass.additions.low_rank.Find(model::HeadGroupIndex(decoder));
  SupervisedLoss loss;
  if (train) loss.dhidden = at::zeros_like(hidden);
  const std::int64_t step = ChunkRows(decoder.description.vocabulary);
  for (std::int64_t begin = 0; begin < targets.rows.size(0); begin += step) {
    const std::int64_t count = std::min(step, targets.rows.size(0) - begin);
    const at::Tensor rows = targets.rows.narrow(0, begin, count);
    const at::Tensor x = hidden.index_select(0, rows);
    const kernels::Norm norm = decoder.Norm(decoder.final_norm);
    const kernels::RmsNormResult normed = kernels::RmsNorm(x, norm);
    model::LinearTape tape = train ? MakeTape(pass, group, x, begin) : model::LinearTape{};
    at::Tensor logits = model::Forward(decoder.head, group, normed.y, train ? &tape : nullptr);
    loss.sum += kernels::CrossEntropy(logits, targets.labels.narrow(0, begin, count),
                                      gradient_scale, decoder.description.logit_cap);
    if (!train) continue;
    pass.additions.weights.AddLinear(decoder.head, logits, normed.y);
    const at::Tensor dnormed = model::Backward(decoder.head, group, {logits, normed.y, tape});
    pass.additions.weights.AddNorm(decoder.final_norm, dnormed, x, normed.rstd);
    at::Tensor dx = at::zeros_like(x);
    kernels::AddRmsNormBackward(dnormed, x, norm, normed.rstd, dx);
    loss.dhidden.index_copy_(0, rows, dx);
  }
  return loss;
}

}  // namespace lathe::trainer::objectives
