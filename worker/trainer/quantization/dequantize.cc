#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <array>

#include "common/base/check.h"
#include "worker/trainer/quantization/cpu/block_kernels.h"
#include "worker/trainer/quantization/dequantize_cuda.h"
#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::quantization {
namespace {

/// What one nested scale covers; a thread's smallest piece of work.
constexpr std::int64_t kRun = kBlock * kNestedBlock;

template <class T>
T* Data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

/// The scales of blocks [256 run, 256 run + count) as fp32: those stored, or `buffer`.
const float* Scales(const QuantizedMatrix& matrix, std::int64_t run, std::int64_t count,
                    std::array<float, kNestedBlock>& buffer) {
  const std::int64_t first = run * kNestedBlock;
  if (matrix.absmax.defined()) return Data<float>(matrix.absmax) + first;
  const std::array<float, 256>& map = DynamicMap();
  const std::uint8_t* codes = Data<std::uint8_t>(matrix.absmax_codes) + first;
  const float scale = Data<float>(matrix.nested_absmax)[run];
  for (std::int64_t i = 0; i < count; ++i) {
    const float product = map[codes[i]] * scale;
    buffer[static_cast<std::size_t>(i)] = product + matrix.offset;
  }
  return buffer.data();
}

void DequantizeFourBitCpu(const QuantizedMatrix& matrix, const at::Tensor& out) {
  const std::int64_t n = matrix.rows * matrix.columns;
  const float* values = TableOf(matrix.type).values.data();
  const BlockKernels& kernels = Kernels();
  at::parallel_for(0, (n + kRun - 1) / kRun, 2, [&](std::int64_t begin, std::int64_t end) {
    std::array<float, kNestedBlock> buffer{};
    for (std::int64_t run = begin; run < end; ++run) {
      const std::int64_t first = run * kRun;
      const std::int64_t count = std::min(kRun, n - first);
      const float* scales = Scales(matrix, run, (count + kBlock - 1) / kBlock, buffer);
      const std::uint8_t* packed = Data<std::uint8_t>(matrix.codes) + first / 2;
      if (out.scalar_type() == at::kFloat) {
        kernels.dequantize_4bit(packed, scales, values, Data<float>(out) + first, count);
      } else {
        kernels.dequantize_4bit_bf16(packed, scales, values, Data<std::uint16_t>(out) + first,
                                     count);
      }
    }
  });
}

void DequantizeInt8Cpu(const QuantizedMatrix& matrix, const at::Tensor& out) {
  const std::int64_t width = matrix.columns;
  const std::int64_t grain = std::max<std::int64_t>(1, kRun / std::max<std::int64_t>(1, width));
  const BlockKernels& kernels = Kernels();
  at::parallel_for(0, matrix.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int8_t* codes = Data<std::int8_t>(matrix.codes) + row * width;
      const float scale = Data<float>(matrix.absmax)[row] / 127.0F;
      if (out.scalar_type() == at::kFloat) {
        kernels.dequantize_int8(codes, scale, Data<float>(out) + row * width, width);
      } else {
        kernels.dequantize_int8_bf16(codes, scale, Data<std::uint16_t>(out) + row * width, width);
      }
    }
  });
}

#if !defined(LATHE_CUDA_KERNELS)
template <std::size_t N>
at::Tensor TableOn(const std::array<float, N>& table, const at::Device& device) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(N)}, at::kFloat);
  std::copy(table.begin(), table.end(), Data<float>(tensor));
  return tensor.to(device);
}

/// The same as a chain of tensor operations, a piece of the matrix at a time.
void DequantizeFourBitAnywhere(const QuantizedMatrix& matrix, at::Tensor& out) {
  constexpr std::int64_t kPiece = 1 << 24;
  const at::Device device = out.device();
  const at::Tensor values = TableOn(TableOf(matrix.type).values, device);
  at::Tensor scales = matrix.absmax;
  if (!scales.defined()) {
    const at::Tensor nested = matrix.nested_absmax.repeat_interleave(kNestedBlock)
                                  .narrow(0, 0, matrix.absmax_codes.numel());
    scales =
        TableOn(DynamicMap(), device).index_select(0, matrix.absmax_codes.to(at::kInt)) * nested +
        matrix.offset;
  }
  at::Tensor flat = out.view({-1});
  for (std::int64_t begin = 0; begin < flat.numel(); begin += kPiece) {
    const std::int64_t count = std::min(kPiece, flat.numel() - begin);
    const at::Tensor packed = matrix.codes.narrow(0, begin / 2, (count + 1) / 2);
    const at::Tensor codes = at::stack({packed.bitwise_right_shift(4), packed.bitwise_and(15)}, 1);
    const at::Tensor piece =
        values.index_select(0, codes.view({-1}).narrow(0, 0, count).to(at::kInt)) *
        scales.narrow(0, begin / kBlock, (count + kBlock - 1) / kBlock)
            .repeat_interleave(kBlock)
            .narrow(0, 0, count);
    flat.narrow(0, begin, count).copy_(piece);
  }
}

void DequantizeAnywhere(const QuantizedMatrix& matrix, at::Tensor& out) {
  if (matrix.type != QuantizationType::kInt8) return DequantizeFourBitAnywhere(matrix, out);
  out.copy_(matrix.codes.to(at::kFloat) * (matrix.absmax / 127.0F).unsqueeze(1));
}
#else
void DequantizeAnywhere(const QuantizedMatrix& matrix, at::Tensor& out) {
  DequantizeByKernels(matrix, out);
}
#endif

}  // namespace

void Dequantize(const QuantizedMatrix& matrix, at::Tensor& out) {
  LATHE_CHECK(out.is_contiguous() && out.numel() == matrix.rows * matrix.columns,
              "a matrix is dequantised into a contiguous one of its size");
  if (!out.is_cpu()) return DequantizeAnywhere(matrix, out);
  if (out.scalar_type() != at::kFloat && out.scalar_type() != at::kBFloat16) {
    at::Tensor wide = at::empty(out.sizes(), at::kFloat);  // fp16 is for other devices: rare here.
    Dequantize(matrix, wide);
    out.copy_(wide);
    return;
  }
  if (matrix.type == QuantizationType::kInt8) return DequantizeInt8Cpu(matrix, out);
  DequantizeFourBitCpu(matrix, out);
}

std::int64_t QuantizedMatrix::Bytes() const {
  std::size_t bytes = 0;
  for (const at::Tensor* tensor : {&codes, &absmax, &absmax_codes, &nested_absmax}) {
    if (tensor->defined()) bytes += tensor->nbytes();
  }
  return static_cast<std::int64_t>(bytes);
}

QuantizedMatrix MoveTo(const QuantizedMatrix& matrix, const at::Device& device) {
  QuantizedMatrix moved = matrix;
  for (at::Tensor* tensor :
       {&moved.codes, &moved.absmax, &moved.absmax_codes, &moved.nested_absmax}) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
  return moved;
}

}  // namespace lathe::trainer::quantization
