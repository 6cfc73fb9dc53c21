#include "worker/trainer/model/weight_reader.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <mutex>

#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/formats/float16.h"
#include "worker/trainer/formats/mapped_file.h"

namespace lathe::trainer::model {
namespace {

/// Which row of the file holds row `row` of the model.
std::int64_t SourceRow(std::int64_t row, std::int64_t interleaved_head_dim) {
  if (interleaved_head_dim == 0) return row;
  const std::int64_t head = row / interleaved_head_dim;
  const std::int64_t within = row % interleaved_head_dim;
  const std::int64_t half = interleaved_head_dim / 2;
  return head * interleaved_head_dim + (within % half) * 2 + within / half;
}

Status ConvertRows(const WeightCopy& copy, formats::RowRange from, std::int64_t to) {
  const at::Tensor& destination = copy.destination;
  const std::int64_t width = formats::RowElements(*copy.source);
  const auto count = static_cast<std::size_t>((from.end - from.begin) * width);
  if (destination.scalar_type() == at::kFloat) {
    auto* out = static_cast<float*>(destination.data_ptr()) + to * width;
    return formats::DequantizeRows(*copy.source, from, {out, count});
  }
  auto* out = static_cast<std::uint16_t*>(destination.data_ptr()) + to * width;
  if (destination.scalar_type() == at::kHalf) {
    std::vector<float> values(count);
    LATHE_RETURN_IF_ERROR(formats::DequantizeRows(*copy.source, from, values));
    std::transform(values.begin(), values.end(), out, formats::FloatToHalf);
    return {};
  }
  return formats::DequantizeRowsToBfloat16(*copy.source, from, {out, count});
}

/// A one-dimensional tensor that is not stored as it is used.
Status ConvertVector(const WeightCopy& copy) {
  const at::Tensor& destination = copy.destination;
  std::vector<float> stored(static_cast<std::size_t>(destination.numel()));
  LATHE_RETURN_IF_ERROR(formats::DequantizeRows(*copy.source, {0, 1}, stored));
  std::vector<float> values(stored.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::int64_t from = SourceRow(static_cast<std::int64_t>(i), copy.interleaved_head_dim);
    // Before rounding: bf16 cannot hold both a small weight and that weight plus one.
    values[i] = stored[static_cast<std::size_t>(from)] - static_cast<float>(copy.offset);
  }
  at::Tensor to = destination;
  to.copy_(at::from_blob(values.data(), to.sizes(), at::kFloat));
  return {};
}

Status ConvertInOrder(const WeightCopy& copy, formats::RowRange rows) {
  const std::int64_t interleaved = copy.interleaved_head_dim;
  const bool as_stored = interleaved == 0 && copy.offset == 0;
  if (copy.source->shape.size() == 1 && !as_stored) return ConvertVector(copy);
  if (interleaved == 0) return ConvertRows(copy, rows, rows.begin);
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t from = SourceRow(row, interleaved);
    LATHE_RETURN_IF_ERROR(ConvertRows(copy, {from, from + 1}, row));
  }
  return {};
}

/// One weight after another, each by several threads: what has been read of the file leaves memory
/// before the next is.
Status QuantizeAll(const std::vector<WeightCopy>& copies,
                   const quantization::QuantizationSettings& settings, const at::Device& device) {
  for (const WeightCopy& copy : copies) {
    if (copy.quantized == nullptr) continue;
    const std::int64_t width = formats::RowElements(*copy.source);
    const auto read = [&](std::int64_t begin, std::int64_t end, std::span<float> out) -> Status {
      if (copy.interleaved_head_dim == 0) {
        return formats::DequantizeRows(*copy.source, {begin, end}, out);
      }
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int64_t from = SourceRow(row, copy.interleaved_head_dim);
        const auto at = static_cast<std::size_t>((row - begin) * width);
        LATHE_RETURN_IF_ERROR(formats::DequantizeRows(
            *copy.source, {from, from + 1}, out.subspan(at, static_cast<std::size_t>(width))));
      }
      return {};
    };
    LATHE_ASSIGN_OR_RETURN(
        *copy.quantized,
        quantization::Quantize(settings, formats::RowCount(*copy.source), width, read));
    if (!device.is_cpu()) *copy.quantized = quantization::MoveTo(*copy.quantized, device);
    formats::ReleasePages(copy.source->data);
  }
  return {};
}

/// A stored one-dimensional tensor counts as one row; so does its destination.
Status ConvertAll(const std::vector<WeightCopy>& copies) {
  struct Chunk {
    const WeightCopy* copy;
    formats::RowRange rows;
  };
  constexpr std::int64_t kChunkElements = 1 << 18;
  std::vector<Chunk> chunks;
  for (const WeightCopy& copy : copies) {
    if (copy.quantized != nullptr) continue;
    const std::int64_t rows = formats::RowCount(*copy.source);
    const std::int64_t width = std::max<std::int64_t>(1, formats::RowElements(*copy.source));
    const std::int64_t step = std::max<std::int64_t>(1, kChunkElements / width);
    for (std::int64_t begin = 0; begin < rows; begin += step) {
      chunks.push_back({&copy, {begin, std::min(rows, begin + step)}});
    }
  }
  std::mutex mutex;  // Guards `status`.
  Status status;
  at::parallel_for(0, static_cast<std::int64_t>(chunks.size()), 1, [&](auto begin, auto end) {
    for (auto i = begin; i < end; ++i) {
      const Chunk& chunk = chunks[static_cast<std::size_t>(i)];
      if (Status done = ConvertInOrder(*chunk.copy, chunk.rows); !done) {
        const std::scoped_lock lock(mutex);
        status = std::move(done);
      }
    }
  });
  return status;
}

/// A weight's place in the memory through which all go.
at::Tensor PlaceIn(const at::Tensor& memory, const at::Tensor& destination) {
  const at::Tensor bytes = memory.narrow(0, 0, static_cast<std::int64_t>(destination.nbytes()));
  return bytes.view(destination.scalar_type()).view(destination.sizes());
}

}  // namespace

Status ReadToHost(const std::vector<WeightCopy>& copies, const MaybeQuantization& quantization) {
  LATHE_RETURN_IF_ERROR(ConvertAll(copies));
  if (quantization) return QuantizeAll(copies, *quantization, at::kCPU);
  return {};
}

Status ReadThroughHost(const std::vector<WeightCopy>& copies, const MaybeQuantization& quantization,
                       const at::Device& device) {
  std::size_t largest = 0;
  for (const WeightCopy& copy : copies) {
    if (copy.quantized == nullptr) largest = std::max(largest, copy.destination.nbytes());
  }
  {
    const at::Tensor memory = at::empty({static_cast<std::int64_t>(largest)}, at::kByte);
    for (const WeightCopy& copy : copies) {
      if (copy.quantized != nullptr) continue;
      WeightCopy through = copy;
      through.destination = PlaceIn(memory, copy.destination);
      LATHE_RETURN_IF_ERROR(ConvertAll({through}));
      at::Tensor to = copy.destination;
      to.copy_(through.destination);
      formats::ReleasePages(copy.source->data);
    }
  }
  if (quantization) return QuantizeAll(copies, *quantization, device);
  return {};
}

}  // namespace lathe::trainer::model
