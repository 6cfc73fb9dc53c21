#pragma once
// A 4-bit matrix as kernels on a GPU take it. Private to this room.

#include "worker/trainer/kernels/cuda/launch.h"
#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::quantization {

kernels::cuda::FourBitWeight FourBitWeightOf(const QuantizedMatrix& matrix);

}  // namespace lathe::trainer::quantization
