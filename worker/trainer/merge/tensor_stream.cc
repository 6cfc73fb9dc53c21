#include "worker/trainer/merge/tensor_stream.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <mutex>

#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/formats/encode.h"
#include "worker/trainer/formats/mapped_file.h"

namespace lathe::trainer::merge {
namespace {

constexpr std::int64_t kChunkElements = 1 << 22;

/// The place in interleaved order of a row of half-split order, and back.
std::int64_t ToInterleaved(std::int64_t row, std::int64_t head_dim) {
  if (head_dim == 0) return row;
  const std::int64_t within = row % head_dim;
  return row - within + (within % (head_dim / 2)) * 2 + within / (head_dim / 2);
}
std::int64_t FromInterleaved(std::int64_t row, std::int64_t head_dim) {
  if (head_dim == 0) return row;
  const std::int64_t within = row % head_dim;
  return row - within + within / 2 + (within % 2) * (head_dim / 2);
}

/// Reads output rows [begin, end) as fp32; `model_rows` become their numbers in half-split order.
Status ReadRows(const OutputTensor& tensor, formats::RowRange rows, std::span<float> values,
                std::vector<std::int64_t>& model_rows) {
  model_rows.clear();
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    model_rows.push_back(FromInterleaved(row, tensor.output_interleaved));
  }
  const auto width = static_cast<std::size_t>(formats::RowElements(*tensor.source));
  std::mutex mutex;  // Guards `status`.
  Status status;
  at::parallel_for(0, rows.end - rows.begin, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int64_t from = ToInterleaved(model_rows[at], tensor.source_interleaved);
      Status done = formats::DequantizeRows(*tensor.source, {from, from + 1},
                                            values.subspan(at * width, width));
      if (done) continue;
      const std::scoped_lock lock(mutex);
      status = std::move(done);
    }
  });
  return status;
}

/// The values of a vector in another order of rotary pairs: element i comes from place(i).
template <class Place>
void Reorder(std::span<float> values, std::int64_t head_dim, const Place& place) {
  if (head_dim == 0) return;
  const std::vector<float> before(values.begin(), values.end());
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = before[static_cast<std::size_t>(place(static_cast<std::int64_t>(i), head_dim))];
  }
}

bool IsCopy(const OutputTensor& tensor, bool changed) {
  return !changed && tensor.spec.dtype == tensor.source->dtype &&
         tensor.source_interleaved == tensor.output_interleaved && tensor.offset == 0;
}

}  // namespace

Status StreamTensor(const OutputTensor& tensor, const adapters::MergedWeights& merged,
                    const ByteWriter& write) {
  const auto* layer = tensor.is_bias ? nullptr : merged.Find(tensor.layer);
  const at::Tensor* bias = tensor.is_bias ? merged.FindBias(tensor.layer) : nullptr;
  if (IsCopy(tensor, layer != nullptr || bias != nullptr)) {
    LATHE_RETURN_IF_ERROR(write(tensor.source->data));
    formats::ReleasePages(tensor.source->data);
    return {};
  }
  const bool is_vector = tensor.spec.shape.size() < 2;  // Its order is within its one row.
  const std::int64_t rows = formats::RowCount(*tensor.source);
  const std::int64_t width = formats::RowElements(*tensor.source);
  const std::int64_t step =
      std::max<std::int64_t>(1, kChunkElements / std::max<std::int64_t>(1, width));
  std::vector<float> values(static_cast<std::size_t>(std::min(step, rows) * width));
  std::vector<std::int64_t> model_rows;
  std::vector<std::byte> encoded;
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const std::int64_t end = std::min(rows, begin + step);
    const auto chunk = std::span(values).first(static_cast<std::size_t>((end - begin) * width));
    LATHE_RETURN_IF_ERROR(ReadRows(tensor, {begin, end}, chunk, model_rows));
    if (is_vector) Reorder(chunk, tensor.source_interleaved, ToInterleaved);
    if (layer != nullptr) adapters::MergeRows(*layer, model_rows, chunk);
    if (bias != nullptr && bias->numel() == width) {
      std::copy_n(static_cast<const float*>(bias->data_ptr()), chunk.size(), chunk.begin());
    }
    if (tensor.offset != 0) {
      for (float& value : chunk) value += static_cast<float>(tensor.offset);
    }
    if (is_vector) Reorder(chunk, tensor.output_interleaved, FromInterleaved);
    encoded.clear();
    formats::Encode(tensor.spec.dtype, chunk, encoded);
    LATHE_RETURN_IF_ERROR(write(encoded));
  }
  formats::ReleasePages(tensor.source->data);
  return {};
}

}  // namespace lathe::trainer::merge
