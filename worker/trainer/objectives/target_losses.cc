#include "worker/trainer/objectives/target_losses.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "worker/trainer/kernels/cross_entropy.h"
#include "worker/trainer/kernels/ops.h"
#include "worker/trainer/model/dropout.h"

namespace lathe::trainer::objectives {
namespace {

const model::LowRankGroup* HeadGroup(const model::PassContext& pass) {
  return pass.additions.low_rank.Find(model::HeadGroupIndex(pass.decoder));
}

/// The head's tape for one chunk; dropout masks differ between chunks.
model::LinearTape MakeTape(const model::PassContext& pass, const at::Tensor& x,
                           std::int64_t begin) {
  model::LinearTape tape;
  if (HeadGroup(pass) != nullptr && pass.additions.low_rank.dropout > 0) {
    const std::uint64_t index =
        model::HeadGroupIndex(pass.decoder) + static_cast<std::uint64_t>(begin);
    tape.dropout_mask = model::DropoutMask(x, pass.additions.low_rank.dropout,
                                           model::MixSeed(pass.options.dropout_seed, index));
  }
  return tape;
}

struct Request {
  const model::PassContext& pass;
  const at::Tensor& hidden;
  const Targets& targets;
  Mode mode = Mode::kEvaluation;
  at::Tensor scales;  ///< undefined: no gradient
};

ScoresAndGradient Compute(const Request& request) {
  const auto& [pass, hidden, targets, mode, host_scales] = request;
  const model::Decoder& decoder = pass.decoder;
  const model::LowRankGroup* group = HeadGroup(pass);
  const std::int64_t rows_in_all = targets.rows.size(0);
  ScoresAndGradient result;
  const at::Tensor scores = at::empty({2, rows_in_all}, hidden.options().dtype(at::kFloat));
  const at::Tensor scales =
      host_scales.defined() ? host_scales.to(hidden.device(), /*non_blocking=*/true) : at::Tensor();
  if (scales.defined()) result.dhidden = at::zeros_like(hidden);
  const std::int64_t step = ChunkRows(decoder.description.vocabulary, decoder.device());
  for (std::int64_t begin = 0; begin < rows_in_all; begin += step) {
    const std::int64_t count = std::min(step, rows_in_all - begin);
    const at::Tensor rows = targets.rows.narrow(0, begin, count);
    const at::Tensor x = hidden.index_select(0, rows);
    const kernels::Norm norm = decoder.Norm(decoder.final_norm);
    const kernels::RmsNormResult normed = kernels::RmsNorm(x, norm);
    const bool train = mode == Mode::kTraining;
    model::LinearTape tape = train ? MakeTape(pass, x, begin) : model::LinearTape{};
    at::Tensor logits = model::Forward(decoder.head, group, normed.y, train ? &tape : nullptr);
    const at::Tensor chunk_scales =
        scales.defined() ? scales.narrow(0, begin, count) : at::Tensor();
    const kernels::RowLosses of_rows =
        kernels::CrossEntropyRows(logits, targets.labels.narrow(0, begin, count), chunk_scales,
                                  decoder.description.logit_cap);
    scores[0].narrow(0, begin, count).copy_(of_rows.losses);
    scores[1].narrow(0, begin, count).copy_(of_rows.hits);
    if (!scales.defined()) continue;
    pass.additions.weights.AddLinear(decoder.head, logits, normed.y);
    const at::Tensor dnormed = model::Backward(decoder.head, group, {logits, normed.y, tape});
    pass.additions.weights.AddNorm(decoder.final_norm, dnormed, x, normed.rstd);
    at::Tensor dx = at::zeros_like(x);
    kernels::AddRmsNormBackward(dnormed, x, norm, normed.rstd, dx);
    result.dhidden.index_copy_(0, rows, dx);
  }
  result.scores = {scores[0], scores[1]};
  return result;
}

}  // namespace

// On a CPU few enough that logits stay near 128 MB, enough to keep the cores busy and to make it
// worth while to bring the weight into order for them. A GPU is busy with 512 MB; its products are
// cut into tiles of up to 256 rows, and the product of the gradient has few of them, so that one
// begun tile more can cost another round of all multiprocessors.
std::int64_t ChunkRows(std::int64_t vocabulary, const at::Device& device) {
  if (device.is_cpu()) {
    return std::clamp<std::int64_t>((std::int64_t{1} << 25) / vocabulary, 16, 4096);
  }
  constexpr std::int64_t kTile = 256;
  return std::clamp<std::int64_t>((std::int64_t{1} << 28) / vocabulary / kTile, 1, 16) * kTile;
}

Scores ScoreTargets(const model::PassContext& pass, const at::Tensor& hidden,
                    const Targets& targets, Mode mode) {
  return Compute({pass, hidden, targets, mode, {}}).scores;
}

ScoresAndGradient ScoreWithGradient(const model::PassContext& pass, const at::Tensor& hidden,
                                    const Targets& targets, const at::Tensor& scales) {
  return Compute({pass, hidden, targets, Mode::kTraining, scales});
}

bool HeadIsTrained(const model::PassContext& pass) {
  return HeadGroup(pass) != nullptr || !pass.additions.weights.empty();
}

}  // namespace lathe::trainer::objectives
