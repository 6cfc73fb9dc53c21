#pragma once
// Reductions over the threads of a warp or a block, in an order that does not change from run to
// run. Every thread takes part and gets the result.

#include "worker/trainer/kernels/cuda/device_language.h"
#include "worker/trainer/kernels/cuda/element.h"

namespace lathe::trainer::kernels::cuda {

struct Sum {
  static constexpr float kIdentity = 0;
  static LATHE_HOST_DEVICE float Combine(float a, float b) { return a + b; }
};
struct Maximum {
  static constexpr float kIdentity = -__builtin_huge_valf();
  static LATHE_HOST_DEVICE float Combine(float a, float b) { return fmaxf(a, b); }
};

template <class Operation>
LATHE_DEVICE float WarpReduce(float value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    value = Operation::Combine(value, ShuffleXor(value, mask));
  }
  return value;
}

/// Of a block of whole warps.
template <class Operation>
LATHE_DEVICE float BlockReduce(float value) {
  LATHE_SHARED float partial[kWarp];
  value = WarpReduce<Operation>(value);
  SyncBlock();  // Whoever still reads an earlier result has done so.
  if (ThreadIndex() % kWarp == 0) partial[ThreadIndex() / kWarp] = value;
  SyncBlock();
  float result = Operation::kIdentity;
  for (unsigned warp = 0; warp < BlockSize() / kWarp; ++warp) {
    result = Operation::Combine(result, partial[warp]);
  }
  return result;
}

}  // namespace lathe::trainer::kernels::cuda
