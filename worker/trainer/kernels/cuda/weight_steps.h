#pragma once
// Quantised weights as products read them: some values of a row at a time, from codes in memory to
// numbers in registers.

#include "worker/trainer/kernels/cuda/device_language.h"
#include "worker/trainer/kernels/cuda/element.h"
#include "worker/trainer/kernels/cuda/four_bit.h"
#include "worker/trainer/kernels/cuda/launch.h"

namespace lathe::trainer::kernels::cuda {

/// Values that a thread reads at once: 16 bytes of 4-bit codes, 32 of int8. They share a scale.
inline constexpr int kWeightStep = static_cast<int>(kStoredStep);

/// As it lies in memory, and as values.
struct FourBitStep {
  Pack<std::uint8_t, kWeightStep / 2> codes;
  StoredScale scale;
};
struct FourBitValues {
  Pack<std::uint8_t, kWeightStep / 2> codes;
  float scale;
  const float* values;

  LATHE_DEVICE float At(int k) const {
    const std::uint8_t both = codes.values[k / 2];
    return values[k % 2 == 0 ? both >> 4 : both & 15] * scale;
  }
};
struct FourBitReader {
  using Step = FourBitStep;
  FourBit matrix;
  const Tables* tables;  ///< in memory that the block shares

  LATHE_DEVICE FourBitStep Read(std::int64_t row, std::int64_t column, std::int64_t in) const {
    const std::int64_t element = row * in + column;
    return {LoadPack<std::uint8_t, kWeightStep / 2>(matrix.codes + element / 2),
            ReadScale(matrix, element / kFourBitBlock)};
  }
  LATHE_DEVICE FourBitValues ValuesOf(const FourBitStep& step) const {
    return {step.codes, ScaleOf(matrix, tables->map, step.scale), tables->values};
  }
};

struct Int8Step {
  Pack<std::int8_t, kWeightStep> codes;
  float absmax;
};
struct Int8Values {
  Pack<std::int8_t, kWeightStep> codes;
  float scale;

  LATHE_DEVICE float At(int k) const { return static_cast<float>(codes.values[k]) * scale; }
};
struct Int8Reader {
  using Step = Int8Step;
  const std::int8_t* codes;
  const float* absmax;

  LATHE_DEVICE Int8Step Read(std::int64_t row, std::int64_t column, std::int64_t in) const {
    return {LoadPack<std::int8_t, kWeightStep>(codes + row * in + column), absmax[row]};
  }
  LATHE_DEVICE Int8Values ValuesOf(const Int8Step& step) const {
    return {step.codes, step.absmax / 127.0F};
  }
};

}  // namespace lathe::trainer::kernels::cuda
