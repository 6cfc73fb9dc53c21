#pragma once
// What holds of the tensors of every model file that was accepted.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/fuzz/expect.h"
#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/formats/dtype.h"

namespace lathe::fuzz {

/// They lie within a file of so many bytes, are as long as their type and shape say, and can be
/// read to the last value.
inline void ExpectSound(const std::vector<trainer::formats::TensorInfo>& tensors,
                        std::size_t file_size) {
  constexpr std::int64_t kMostRead = 1 << 16;
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  for (const auto& tensor : tensors) {
    const auto bytes = trainer::formats::ByteSize(tensor.dtype, tensor.shape);
    LATHE_FUZZ_EXPECT(bytes && *bytes == tensor.data.size());
    if (tensor.data.empty()) continue;
    const std::byte* first = tensor.data.data();
    begin = begin == nullptr ? first : std::min(begin, first);
    end = std::max(end, first + tensor.data.size());
    const std::int64_t width = trainer::formats::RowElements(tensor);
    const std::int64_t rows = trainer::formats::RowCount(tensor);
    if (!trainer::formats::CanDequantize(tensor.dtype) || width > kMostRead) continue;
    std::vector<float> values(static_cast<std::size_t>(width));
    for (const std::int64_t row : {std::int64_t{0}, rows - 1}) {
      LATHE_FUZZ_EXPECT(trainer::formats::DequantizeRows(tensor, {row, row + 1}, values));
    }
  }
  LATHE_FUZZ_EXPECT(static_cast<std::size_t>(end - begin) <= file_size);
}

}  // namespace lathe::fuzz
