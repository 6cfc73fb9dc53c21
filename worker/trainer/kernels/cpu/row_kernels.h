#pragma once
// The elementwise and reducing loops of a decoder on one row each, for fp32, bf16 (as bits)
// and fp16: arithmetic is fp32 throughout. The same source is compiled for three instruction sets;
// the best one that the machine has is chosen once a process. Pure functions, no allocation, no
// threads: callers divide rows among threads.

#include <cstdint>

namespace lathe::trainer::kernels {

template <class T>
struct NormRow {
  const T* weight;
  float epsilon;
  float offset;  ///< added to every weight
};

template <class T>
struct RowGradient {
  const T* dy;
  const T* x;
  T* dx;
};

template <class T>
struct GatedGradients {
  const T* dout;
  const T* gate;
  const T* up;
  T* dgate;
  T* dup;
  T* out;  ///< takes activation(gate) * up again; may be nullptr
};

struct RowLoss {
  float loss;
  bool hit;  ///< no other logit is larger than the target's
};

/// The values [begin, end) of a row.
struct VisibleSpan {
  std::int64_t begin;
  std::int64_t end;
};

/// x -> scale * x and then, with a cap above 0, cap * tanh(x / cap).
struct ScoreMap {
  float scale;
  float cap;
};

/// The bits of an fp16 number; a type of its own, beside bf16's.
struct Float16 {
  std::uint16_t bits = 0;
};

/// T is float, std::uint16_t (bf16 bits) or Float16. Lengths are in elements, rows are contiguous.
template <class T>
struct RowKernels {
  /// y = x * rstd * (offset + weight) with rstd = 1/sqrt(mean(x^2) + epsilon), which is returned.
  float (*rms_norm)(const T* x, const NormRow<T>& norm, T* y, std::int64_t n);
  /// dx += d(rms_norm)/dx applied to dy.
  void (*rms_norm_backward)(const RowGradient<T>& row, const NormRow<T>& norm, std::int64_t n,
                            float rstd);
  /// Rotates the pairs (head[i], head[i + half]) by the angle whose cosine and sine are given;
  /// `direction` is 1, or -1 for the inverse.
  void (*rope)(T* head, const float* cosine, const float* sine, std::int64_t half, float direction);
  /// out = silu(gate) * up.
  void (*swiglu)(const T* gate, const T* up, T* out, std::int64_t n);
  void (*swiglu_backward)(const GatedGradients<T>& row, std::int64_t n);
  /// out = gelu(gate) * up, gelu by its tanh formula.
  void (*geglu)(const T* gate, const T* up, T* out, std::int64_t n);
  void (*geglu_backward)(const GatedGradients<T>& row, std::int64_t n);
  /// In place: softmax over the visible values, each times its scale and capped; others become 0.
  void (*softmax)(T* row, const VisibleSpan& visible, std::int64_t n, const ScoreMap& map);
  /// In place on dp: p * (dp - sum(p * dp)) * scale.
  void (*softmax_backward)(const T* p, T* dp, std::int64_t n, float scale);
  /// In place on dscores: times the slope of the cap at scale * score.
  void (*soft_cap_backward)(const T* scores, T* dscores, std::int64_t n, const ScoreMap& map);
  /// Returns -log softmax(cap(logits))[target]; the row becomes its gradient times map.scale. With
  /// scale 0 the row is left alone.
  RowLoss (*cross_entropy)(T* logits, std::int64_t n, std::int64_t target, const ScoreMap& map);
};

/// The best kernels for this machine.
const RowKernels<float>& Float32Kernels();
const RowKernels<std::uint16_t>& Bfloat16Kernels();
const RowKernels<Float16>& Float16Kernels();

}  // namespace lathe::trainer::kernels
