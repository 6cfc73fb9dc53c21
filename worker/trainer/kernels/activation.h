#pragma once
// The activation functions of gated feed-forward layers.

#include <cstdint>

namespace lathe::trainer::kernels {

enum class Activation : std::uint8_t {
  kSilu,      ///< x * sigmoid(x)
  kGeluTanh,  ///< the tanh formula of GELU (https://arxiv.org/abs/1606.08415)
};

}  // namespace lathe::trainer::kernels
