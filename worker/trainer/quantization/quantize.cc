#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mean.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <vector>

#include "worker/trainer/formats/float16.h"
#include "worker/trainer/quantization/cpu/block_kernels.h"
#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::quantization {
namespace {

/// Elements that a thread reads at a time: they stay in its cache.
constexpr std::int64_t kReadElements = 1 << 16;

template <class T>
T* Data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

std::int64_t DivideUp(std::int64_t n, std::int64_t by) {
  return (n + by - 1) / by;
}

/// Reads all rows, `multiple` of them or several times as many at a time, and hands each run to
/// body(first row, number of rows, values), on several threads.
template <class Body>
Status ForRuns(const QuantizedMatrix& matrix, std::int64_t multiple, const RowReader& read,
               const Body& body) {
  const std::int64_t width = matrix.columns;
  const std::int64_t rows =
      multiple *
      std::max<std::int64_t>(1, kReadElements / std::max<std::int64_t>(1, multiple * width));
  std::mutex mutex;  // Guards `status`.
  Status status;
  at::parallel_for(0, DivideUp(matrix.rows, rows), 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> values(static_cast<std::size_t>(std::min(rows, matrix.rows) * width));
    for (std::int64_t run = begin; run < end; ++run) {
      const std::int64_t first = run * rows;
      const std::int64_t last = std::min(matrix.rows, first + rows);
      const auto count = static_cast<std::size_t>((last - first) * width);
      if (Status done = read(first, last, std::span(values).first(count)); !done) {
        const std::scoped_lock lock(mutex);
        status = std::move(done);
        return;
      }
      body(first, last - first, values.data());
    }
  });
  return status;
}

/// The mean with the summation order that a single thread of the reference has.
float SingleThreadedMean(const at::Tensor& values) {
  float mean = 0;
  // Within a parallel region operations do not divide their work.
  at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t begin, std::int64_t) {
    if (begin == 0) mean = at::mean(values).item<float>();
  });
  return mean;
}

void QuantizeScales(QuantizedMatrix& matrix) {
  const at::Tensor scales = std::move(matrix.absmax);
  matrix.absmax = at::Tensor();
  const std::int64_t blocks = scales.numel();
  matrix.offset = SingleThreadedMean(scales);
  matrix.absmax_codes = at::empty({blocks}, at::kByte);
  matrix.nested_absmax = at::empty({DivideUp(blocks, kNestedBlock)}, at::kFloat);
  at::parallel_for(0, matrix.nested_absmax.numel(), 16, [&](std::int64_t begin, std::int64_t end) {
    std::array<float, kNestedBlock> centred{};
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t first = block * kNestedBlock;
      const auto count = static_cast<std::size_t>(std::min(kNestedBlock, blocks - first));
      for (std::size_t i = 0; i < count; ++i) {
        centred[i] = Data<float>(scales)[first + static_cast<std::int64_t>(i)] - matrix.offset;
      }
      Data<float>(matrix.nested_absmax)[block] =
          QuantizeDynamic(std::span(centred).first(count),
                          {Data<std::uint8_t>(matrix.absmax_codes) + first, count});
    }
  });
}

Status QuantizeFourBit(const QuantizationSettings& settings, const RowReader& read,
                       QuantizedMatrix& matrix) {
  const std::int64_t n = matrix.rows * matrix.columns;
  matrix.codes = at::empty({DivideUp(n, 2)}, at::kByte);
  matrix.absmax = at::empty({DivideUp(n, kBlock)}, at::kFloat);
  const FourBitTable& table = TableOf(settings.type);
  // Runs begin where a block does.
  const std::int64_t multiple =
      kBlock / std::gcd(kBlock, std::max<std::int64_t>(1, matrix.columns));
  const auto quantize = [&](std::int64_t first, std::int64_t rows, const float* values) {
    const std::int64_t begin = first * matrix.columns;
    Kernels().quantize_4bit(values, rows * matrix.columns, table.thresholds.data(),
                            table.order.data(), Data<float>(matrix.absmax) + begin / kBlock,
                            Data<std::uint8_t>(matrix.codes) + begin / 2);
  };
  LATHE_RETURN_IF_ERROR(ForRuns(matrix, multiple, read, quantize));
  if (settings.double_quantization && n > 0) QuantizeScales(matrix);
  return {};
}

Status QuantizeInt8(const RowReader& read, QuantizedMatrix& matrix) {
  matrix.codes = at::empty({matrix.rows, matrix.columns}, at::kChar);
  matrix.absmax = at::empty({matrix.rows}, at::kFloat);
  const std::int64_t width = matrix.columns;
  return ForRuns(matrix, 1, read, [&](std::int64_t first, std::int64_t rows, float* values) {
    for (std::int64_t i = 0; i < rows * width; ++i) {
      values[i] = formats::HalfToFloat(formats::FloatToHalf(values[i]));
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      Data<float>(matrix.absmax)[first + row] = Kernels().quantize_int8(
          values + row * width, width, Data<std::int8_t>(matrix.codes) + (first + row) * width);
    }
  });
}

}  // namespace

Result<QuantizedMatrix> Quantize(const QuantizationSettings& settings, std::int64_t rows,
                                 std::int64_t columns, const RowReader& read) {
  QuantizedMatrix matrix{.type = settings.type, .rows = rows, .columns = columns};
  if (settings.type == QuantizationType::kInt8) {
    LATHE_RETURN_IF_ERROR(QuantizeInt8(read, matrix));
  } else {
    LATHE_RETURN_IF_ERROR(QuantizeFourBit(settings, read, matrix));
  }
  return matrix;
}

}  // namespace lathe::trainer::quantization
