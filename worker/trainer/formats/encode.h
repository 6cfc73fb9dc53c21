#pragma once
// Turns fp32 rows into what files store: F32, F16, BF16 and GGML's Q8_0. Pure functions.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "worker/trainer/formats/dtype.h"

namespace lathe::trainer::formats {

/// True for the types that Encode writes.
bool CanEncode(DType dtype);

/// Appends the stored form of `values`, whole rows, to `out`. F16 and BF16 round to nearest even;
/// Q8_0 has blocks of 32: fp16 d = max|x| / 127, then round(x / d), away from zero on a tie. For
/// Q8_0 the number of values is a multiple of 32.
void Encode(DType dtype, std::span<const float> values, std::vector<std::byte>& out);

}  // namespace lathe::trainer::formats
