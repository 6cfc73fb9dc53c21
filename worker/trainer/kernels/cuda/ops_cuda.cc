#include "worker/trainer/kernels/cuda/ops_cuda.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "worker/trainer/kernels/cuda/tensor.h"

namespace lathe::trainer::kernels::cuda {
namespace {

at::Tensor Floats(at::IntArrayRef sizes, const at::Tensor& like) {
  return at::empty(sizes, like.options().dtype(at::kFloat));
}

HeadsCall Heads(const at::Tensor& x, const HeadSpan& span) {
  auto* first =
      static_cast<char*>(x.data_ptr()) + span.begin * static_cast<std::int64_t>(x.element_size());
  return {ElementOf(x), x.size(0), span.count, span.head_dim, x.stride(0), first};
}

Gate GateOf(Activation activation) {
  return activation == Activation::kSilu ? Gate::kSilu : Gate::kGeluTanh;
}

}  // namespace

RmsNormResult RmsNorm(const at::Tensor& x, const Norm& norm) {
  RmsNormResult result{at::empty_like(x), Floats({x.size(0)}, x)};
  const RmsNormCall call{.element = ElementOf(x),
                         .rows = x.size(0),
                         .width = x.size(1),
                         .epsilon = static_cast<float>(norm.epsilon),
                         .offset = static_cast<float>(norm.offset),
                         .x = x.data_ptr(),
                         .weight = norm.weight.data_ptr(),
                         .y = result.y.data_ptr(),
                         .rstd = Pointer<float>(result.rstd)};
  Enqueue(x, &RmsNorm, call);
  return result;
}

void AddRmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const Norm& norm,
                        const at::Tensor& rstd, at::Tensor& dx) {
  const RmsNormBackwardCall call{.element = ElementOf(x),
                                 .rows = x.size(0),
                                 .width = x.size(1),
                                 .offset = static_cast<float>(norm.offset),
                                 .dy = dy.data_ptr(),
                                 .x = x.data_ptr(),
                                 .weight = norm.weight.data_ptr(),
                                 .rstd = Pointer<float>(rstd),
                                 .dx = dx.data_ptr()};
  Enqueue(x, &AddRmsNormBackward, call);
}

at::Tensor NormHeads(at::Tensor& x, const HeadSpan& span, const Norm& norm) {
  at::Tensor rstd = Floats({x.size(0), span.count}, x);
  const HeadNormCall call{.to = Heads(x, span),
                          .epsilon = static_cast<float>(norm.epsilon),
                          .offset = static_cast<float>(norm.offset),
                          .weight = norm.weight.data_ptr(),
                          .rstd = Pointer<float>(rstd)};
  Enqueue(x, &NormHeads, call);
  return rstd;
}

void NormHeadsBackward(at::Tensor& d, const at::Tensor& x, const HeadSpan& span, const Norm& norm,
                       const at::Tensor& rstd) {
  const HeadsCall before = Heads(x, span);
  const HeadNormBackwardCall call{.d = Heads(d, span),
                                  .offset = static_cast<float>(norm.offset),
                                  .x = before.heads,
                                  .x_stride = before.stride,
                                  .weight = norm.weight.data_ptr(),
                                  .rstd = Pointer<float>(rstd)};
  Enqueue(d, &NormHeadsBackward, call);
}

void ApplyRope(at::Tensor& x, const HeadSpan& span, const at::Tensor& cosine,
               const at::Tensor& sine, Rotation rotation) {
  const RopeCall call{.to = Heads(x, span),
                      .half = cosine.size(1),
                      .direction = rotation == Rotation::kForward ? 1.0F : -1.0F,
                      .cosine = Pointer<float>(cosine),
                      .sine = Pointer<float>(sine)};
  Enqueue(x, &ApplyRope, call);
}

at::Tensor Gated(Activation activation, const at::Tensor& gate_up) {
  const std::int64_t width = gate_up.size(1) / 2;
  at::Tensor out = at::empty({gate_up.size(0), width}, gate_up.options());
  const GatedCall call{.element = ElementOf(gate_up),
                       .gate = GateOf(activation),
                       .rows = gate_up.size(0),
                       .width = width,
                       .gate_up = gate_up.data_ptr(),
                       .dout = nullptr,
                       .out = out.data_ptr(),
                       .activated = nullptr};
  Enqueue(gate_up, &Gated, call);
  return out;
}

at::Tensor GatedBackward(Activation activation, const at::Tensor& dout, const at::Tensor& gate_up,
                         at::Tensor* out) {
  at::Tensor gradient = at::empty_like(gate_up);
  if (out != nullptr) *out = at::empty_like(dout);
  const GatedCall call{.element = ElementOf(gate_up),
                       .gate = GateOf(activation),
                       .rows = gate_up.size(0),
                       .width = dout.size(1),
                       .gate_up = gate_up.data_ptr(),
                       .dout = dout.data_ptr(),
                       .out = gradient.data_ptr(),
                       .activated = out == nullptr ? nullptr : out->data_ptr()};
  Enqueue(gate_up, &Gated, call);
  return gradient;
}

void CausalSoftmax(at::Tensor& scores, const CausalRows& rows, const ScoreScaling& scaling) {
  const SoftmaxCall call{.element = ElementOf(scores),
                         .rows = scores.size(0) * scores.size(1),
                         .keys = scores.size(2),
                         .queries = rows.queries,
                         .own = rows.first - rows.first_key,
                         .window = rows.window,
                         .scale = static_cast<float>(scaling.scale),
                         .cap = static_cast<float>(scaling.cap),
                         .scores = scores.data_ptr()};
  Enqueue(scores, &CausalSoftmax, call);
}

void SoftmaxBackward(const at::Tensor& p, at::Tensor& dp, double scale) {
  const SoftmaxBackwardCall call{.element = ElementOf(p),
                                 .rows = p.size(0) * p.size(1),
                                 .keys = p.size(2),
                                 .scale = static_cast<float>(scale),
                                 .p = p.data_ptr(),
                                 .dp = dp.data_ptr()};
  Enqueue(p, &SoftmaxBackward, call);
}

void SoftCapBackward(const at::Tensor& scores, at::Tensor& dscores, const ScoreScaling& scaling) {
  const SoftCapBackwardCall call{.element = ElementOf(scores),
                                 .count = scores.numel(),
                                 .scale = static_cast<float>(scaling.scale),
                                 .cap = static_cast<float>(scaling.cap),
                                 .scores = scores.data_ptr(),
                                 .dscores = dscores.data_ptr()};
  Enqueue(scores, &SoftCapBackward, call);
}

RowLosses CrossEntropyRows(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& scales,
                           double soft_cap) {
  at::Tensor losses = Floats({logits.size(0)}, logits);
  at::Tensor hits = Floats({logits.size(0)}, logits);
  const CrossEntropyCall call{.element = ElementOf(logits),
                              .rows = logits.size(0),
                              .vocabulary = logits.size(1),
                              .cap = static_cast<float>(soft_cap),
                              .targets = Pointer<std::int64_t>(targets),
                              .scales = Pointer<float>(scales),
                              .losses = Pointer<float>(losses),
                              .hits = Pointer<float>(hits),
                              .logits = logits.data_ptr()};
  Enqueue(logits, &CrossEntropyRows, call);
  return {losses, hits};
}

}  // namespace lathe::trainer::kernels::cuda
