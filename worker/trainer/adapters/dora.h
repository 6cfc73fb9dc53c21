#pragma once
// The norms that DoRA divides by: the length of each row of W + scale * B A, without ever forming
// that sum. Private to this room.

#include <ATen/core/Tensor.h>

#include "worker/trainer/model/linear.h"

namespace lathe::trainer::adapters {

/// One adapted layer's. Shares the weight with the decoder; its norm is taken once.
class DoraNorms {
 public:
  DoraNorms(const model::FusedLinear& linear, std::size_t part, at::ScalarType compute_type);

  /// Where the layer lies in its fused one.
  const model::LinearPart& part() const { return part_; }
  /// [out] fp32 for a [rank, in] and b [out, rank], both fp32.
  at::Tensor Of(const at::Tensor& a, const at::Tensor& b, double scale) const;

 private:
  model::LinearPart part_;
  model::FusedLinear linear_;  ///< that part alone
  at::ScalarType compute_type_;
  at::Tensor squares_;  ///< [out] fp32: the squared length of each row of W
};

}  // namespace lathe::trainer::adapters
