#pragma once
// The elementwise and reducing loops of a decoder on one row each, for fp32 and bf16 (as bits):
// arithmetic is fp32 throughout. The same source is compiled for three instruction sets; the best
// one that the machine has is chosen once a process. Pure functions, no allocation, no threads:
// callers divide rows among threads.

#include <cstdint>

namespace lathe::trainer::kernels {

/// T is float or std::uint16_t (bf16 bits). Lengths are in elements, rows are contiguous.
template <class T>
struct RowKernels {
  /// y = x * rstd * weight with rstd = 1/sqrt(mean(x^2) + epsilon), which is returned.
  float (*rms_norm)(const T* x, const T* weight, T* y, std::int64_t n, float epsilon);
  /// dx += d(rms_norm)/dx applied to dy.
  void (*rms_norm_backward)(const T* dy, const T* x, const T* weight, T* dx, std::int64_t n,
                            float rstd);
  /// Rotates the pairs (head[i], head[i + half]) by the angle whose cosine and sine are given;
  /// `direction` is 1, or -1 for the inverse.
  void (*rope)(T* head, const float* cosine, const float* sine, std::int64_t half, float direction);
  /// out = silu(gate) * up.
  void (*swiglu)(const T* gate, const T* up, T* out, std::int64_t n);
  void (*swiglu_backward)(const T* dout, const T* gate, const T* up, T* dgate, T* dup,
                          std::int64_t n);
  /// In place: softmax of the first `visible` values times scale; the rest of the row becomes 0.
  void (*softmax)(T* row, std::int64_t visible, std::int64_t n, float scale);
  /// In place on dp: p * (dp - sum(p * dp)) * scale.
  void (*softmax_backward)(const T* p, T* dp, std::int64_t n, float scale);
  /// Returns -log softmax(logits)[target]; the row becomes (softmax - onehot) * scale. With scale 0
  /// the row is left alone.
  float (*cross_entropy)(T* logits, std::int64_t n, std::int64_t target, float scale);
};

/// The best kernels for this machine.
const RowKernels<float>& Float32Kernels();
const RowKernels<std::uint16_t>& Bfloat16Kernels();

}  // namespace lathe::trainer::kernels
