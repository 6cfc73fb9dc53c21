#include "worker/trainer/kernels/ops_cpu.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "common/base/check.h"
#include "worker/trainer/kernels/cpu/row_kernels.h"

namespace lathe::trainer::kernels::cpu {
namespace {

/// Rows below this many elements together are not worth another thread.
constexpr std::int64_t kGrainElements = 16384;

template <class T>
T* Data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

/// Calls body(kernels, pointer-type tag) for the tensor's element type.
template <class Body>
void Dispatch(const at::Tensor& tensor, const Body& body) {
  if (tensor.scalar_type() == at::kFloat) {
    body(Float32Kernels(), float{});
  } else if (tensor.scalar_type() == at::kBFloat16) {
    body(Bfloat16Kernels(), std::uint16_t{});
  } else {
    LATHE_CHECK(tensor.scalar_type() == at::kHalf, "row kernels take fp32, bf16 and fp16");
    body(Float16Kernels(), Float16{});
  }
}

template <class Body>
void ForRows(std::int64_t rows, std::int64_t row_elements, const Body& body) {
  const std::int64_t grain =
      std::max<std::int64_t>(1, kGrainElements / std::max<std::int64_t>(1, row_elements));
  at::parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  });
}

template <class T>
NormRow<T> Row(const Norm& norm) {
  return {Data<T>(norm.weight), static_cast<float>(norm.epsilon), static_cast<float>(norm.offset)};
}

ScoreMap Map(const ScoreScaling& scaling) {
  return {static_cast<float>(scaling.scale), static_cast<float>(scaling.cap)};
}

/// Row `row` of x from the span's first column on.
template <class T>
T* SpanRow(const at::Tensor& x, const HeadSpan& span, std::int64_t row) {
  return Data<T>(x) + row * x.stride(0) + span.begin;
}

}  // namespace

RmsNormResult RmsNorm(const at::Tensor& x, const Norm& norm) {
  const std::int64_t n = x.size(1);
  RmsNormResult result{at::empty_like(x), at::empty({x.size(0)}, x.options().dtype(at::kFloat))};
  float* rstd = Data<float>(result.rstd);
  Dispatch(x, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    ForRows(x.size(0), n, [&](std::int64_t row) {
      rstd[row] =
          kernels.rms_norm(Data<T>(x) + row * n, Row<T>(norm), Data<T>(result.y) + row * n, n);
    });
  });
  return result;
}

void AddRmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const Norm& norm,
                        const at::Tensor& rstd, at::Tensor& dx) {
  const std::int64_t n = x.size(1);
  Dispatch(x, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    ForRows(x.size(0), n, [&](std::int64_t row) {
      kernels.rms_norm_backward(
          {Data<T>(dy) + row * n, Data<T>(x) + row * n, Data<T>(dx) + row * n}, Row<T>(norm), n,
          Data<float>(rstd)[row]);
    });
  });
}

at::Tensor NormHeads(at::Tensor& x, const HeadSpan& span, const Norm& norm) {
  const std::int64_t n = span.head_dim;
  at::Tensor rstd = at::empty({x.size(0), span.count}, x.options().dtype(at::kFloat));
  Dispatch(x, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    ForRows(x.size(0), span.count * n, [&](std::int64_t row) {
      T* head = SpanRow<T>(x, span, row);
      for (std::int64_t h = 0; h < span.count; ++h, head += n) {
        Data<float>(rstd)[row * span.count + h] = kernels.rms_norm(head, Row<T>(norm), head, n);
      }
    });
  });
  return rstd;
}

void NormHeadsBackward(at::Tensor& d, const at::Tensor& x, const HeadSpan& span, const Norm& norm,
                       const at::Tensor& rstd) {
  const std::int64_t n = span.head_dim;
  const at::Tensor dx = at::zeros({d.size(0), span.count * n}, d.options());
  Dispatch(d, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    ForRows(d.size(0), span.count * n, [&](std::int64_t row) {
      for (std::int64_t h = 0; h < span.count; ++h) {
        kernels.rms_norm_backward(
            {SpanRow<T>(d, span, row) + h * n, SpanRow<T>(x, span, row) + h * n,
             Data<T>(dx) + (row * span.count + h) * n},
            Row<T>(norm), n, Data<float>(rstd)[row * span.count + h]);
      }
    });
  });
  d.narrow(1, span.begin, span.count * n).copy_(dx);
}

void ApplyRope(at::Tensor& x, const HeadSpan& span, const at::Tensor& cosine,
               const at::Tensor& sine, Rotation rotation) {
  const std::int64_t half = cosine.size(1);
  const float direction = rotation == Rotation::kForward ? 1.0F : -1.0F;
  Dispatch(x, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    ForRows(x.size(0), span.count * half * 2, [&](std::int64_t row) {
      T* head = SpanRow<T>(x, span, row);
      for (std::int64_t h = 0; h < span.count; ++h, head += span.head_dim) {
        kernels.rope(head, Data<float>(cosine) + row * half, Data<float>(sine) + row * half, half,
                     direction);
      }
    });
  });
}

at::Tensor Gated(Activation activation, const at::Tensor& gate_up) {
  const std::int64_t n = gate_up.size(1) / 2;
  at::Tensor out = at::empty({gate_up.size(0), n}, gate_up.options());
  Dispatch(gate_up, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    const auto kernel = activation == Activation::kSilu ? kernels.swiglu : kernels.geglu;
    ForRows(gate_up.size(0), n, [&](std::int64_t row) {
      const T* gate = Data<T>(gate_up) + row * 2 * n;
      kernel(gate, gate + n, Data<T>(out) + row * n, n);
    });
  });
  return out;
}

at::Tensor GatedBackward(Activation activation, const at::Tensor& dout, const at::Tensor& gate_up,
                         at::Tensor* out) {
  const std::int64_t n = dout.size(1);
  at::Tensor gradient = at::empty_like(gate_up);
  if (out != nullptr) *out = at::empty_like(dout);
  Dispatch(gate_up, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    const auto kernel =
        activation == Activation::kSilu ? kernels.swiglu_backward : kernels.geglu_backward;
    T* const outs = out == nullptr ? nullptr : Data<T>(*out);
    ForRows(gate_up.size(0), n, [&](std::int64_t row) {
      const T* gate = Data<T>(gate_up) + row * 2 * n;
      T* dgate = Data<T>(gradient) + row * 2 * n;
      kernel({Data<T>(dout) + row * n, gate, gate + n, dgate, dgate + n,
              outs == nullptr ? nullptr : outs + row * n},
             n);
    });
  });
  return gradient;
}

void CausalSoftmax(at::Tensor& scores, const CausalRows& rows, const ScoreScaling& scaling) {
  const std::int64_t keys = scores.size(2);
  Dispatch(scores, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    ForRows(scores.size(0) * scores.size(1), keys, [&](std::int64_t row) {
      const std::int64_t own = rows.first + row % rows.queries - rows.first_key;
      const std::int64_t begin =
          rows.window == 0 ? 0 : std::max<std::int64_t>(0, own - rows.window + 1);
      kernels.softmax(Data<T>(scores) + row * keys, {begin, own + 1}, keys, Map(scaling));
    });
  });
}

void SoftmaxBackward(const at::Tensor& p, at::Tensor& dp, double scale) {
  const std::int64_t keys = p.size(2);
  Dispatch(p, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    ForRows(p.size(0) * p.size(1), keys, [&](std::int64_t row) {
      kernels.softmax_backward(Data<T>(p) + row * keys, Data<T>(dp) + row * keys, keys,
                               static_cast<float>(scale));
    });
  });
}

void SoftCapBackward(const at::Tensor& scores, at::Tensor& dscores, const ScoreScaling& scaling) {
  const std::int64_t keys = scores.size(2);
  Dispatch(scores, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    ForRows(scores.size(0) * scores.size(1), keys, [&](std::int64_t row) {
      kernels.soft_cap_backward(Data<T>(scores) + row * keys, Data<T>(dscores) + row * keys, keys,
                                Map(scaling));
    });
  });
}

RowLosses CrossEntropyRows(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& scales,
                           double soft_cap) {
  const std::int64_t vocabulary = logits.size(1);
  RowLosses rows{at::empty({logits.size(0)}, at::kFloat), at::empty({logits.size(0)}, at::kFloat)};
  Dispatch(logits, [&](const auto& kernels, auto tag) {
    using T = decltype(tag);
    ForRows(logits.size(0), vocabulary, [&](std::int64_t row) {
      T* values = Data<T>(logits) + row * vocabulary;
      const float scale = scales.defined() ? Data<float>(scales)[row] : 0.0F;
      const RowLoss of_row =
          kernels.cross_entropy(values, vocabulary, Data<std::int64_t>(targets)[row],
                                Map({static_cast<double>(scale), soft_cap}));
      Data<float>(rows.losses)[row] = of_row.loss;
      Data<float>(rows.hits)[row] = of_row.hit ? 1.0F : 0.0F;
      // The kernel takes a scale of 0 as "no gradient wanted".
      if (scales.defined() && scale == 0.0F) std::fill_n(values, vocabulary, T{});
    });
  });
  return rows;
}

}  // namespace lathe::trainer::kernels::cpu
