#pragma once
// What kernels know of a 4-bit matrix (see quantization/matrix.h): where its codes and scales lie,
// and the tables, which each block copies to where its threads can look them up at random.

#include "worker/trainer/kernels/cuda/device_language.h"
#include "worker/trainer/kernels/cuda/element.h"
#include "worker/trainer/kernels/cuda/launch.h"

namespace lathe::trainer::kernels::cuda {

inline constexpr int kCodes = 16;
inline constexpr int kMap = 256;
inline constexpr std::int64_t kFourBitBlock = 64;
inline constexpr std::int64_t kNestedBlock = 256;

/// By value: they travel with the launch.
struct Tables {
  float values[kCodes];
  float map[kMap];
};

/// Pointers to device memory only.
struct FourBit {
  std::int64_t count;
  const std::uint8_t* codes;
  const float* absmax;
  const std::uint8_t* absmax_codes;
  const float* nested_absmax;
  float offset;
};

inline Tables TablesOf(const FourBitWeight& weight) {
  Tables tables;
  for (int i = 0; i < kCodes; ++i) tables.values[i] = weight.values[i];
  for (int i = 0; i < kMap; ++i) tables.map[i] = weight.map[i];
  return tables;
}

inline FourBit OnDevice(const FourBitWeight& weight) {
  return {weight.count,        weight.codes,         weight.absmax,
          weight.absmax_codes, weight.nested_absmax, weight.offset};
}

/// Every thread of a warp may want another entry: shared memory serves that, constants do not. By
/// all threads of a block.
LATHE_DEVICE void ShareTables(const Tables& tables, Tables& shared) {
  for (unsigned i = ThreadIndex(); i < kMap; i += BlockSize()) shared.map[i] = tables.map[i];
  if (ThreadIndex() < kCodes) shared.values[ThreadIndex()] = tables.values[ThreadIndex()];
  SyncBlock();
}

/// The scale of a block as it lies in memory. To fetch it is one thing and to work it out another:
/// who fetches ahead does not wait for it.
struct StoredScale {
  float factor;
  std::uint8_t code;
};
LATHE_DEVICE StoredScale ReadScale(const FourBit& matrix, std::int64_t block) {
  if (matrix.absmax != nullptr) return {matrix.absmax[block], 0};
  return {matrix.nested_absmax[block / kNestedBlock], matrix.absmax_codes[block]};
}
LATHE_DEVICE float ScaleOf(const FourBit& matrix, const float* map, const StoredScale& stored) {
  if (matrix.absmax != nullptr) return stored.factor;
  return MultiplyThenAdd(map[stored.code], stored.factor, matrix.offset);
}

}  // namespace lathe::trainer::kernels::cuda
