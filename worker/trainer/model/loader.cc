#include "worker/trainer/model/loader.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>

#include <map>
#include <mutex>

#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/formats/float16.h"
#include "worker/trainer/model/model_file.h"
#include "worker/trainer/model/weight_plan.h"

namespace lathe::trainer::model {
namespace {

using formats::TensorInfo;

struct Copy {
  const TensorInfo* source;
  const Placement* placement;
  std::int64_t interleaved_head_dim;  ///< 0: rows are in the model's order
  double offset;                      ///< what the stored values are too large by
};

/// Which row of the file holds row `row` of the model.
std::int64_t SourceRow(std::int64_t row, std::int64_t interleaved_head_dim) {
  if (interleaved_head_dim == 0) return row;
  const std::int64_t head = row / interleaved_head_dim;
  const std::int64_t within = row % interleaved_head_dim;
  const std::int64_t half = interleaved_head_dim / 2;
  return head * interleaved_head_dim + (within % half) * 2 + within / half;
}

Status ConvertRows(const Copy& copy, formats::RowRange from, std::int64_t to) {
  const at::Tensor& destination = copy.placement->destination;
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
Status ConvertVector(const Copy& copy) {
  const at::Tensor& destination = copy.placement->destination;
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

Status ConvertInOrder(const Copy& copy, formats::RowRange rows) {
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
Status QuantizeAll(const std::vector<Copy>& copies,
                   const quantization::QuantizationSettings& settings) {
  for (const Copy& copy : copies) {
    if (copy.placement->quantized == nullptr) continue;
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
        *copy.placement->quantized,
        quantization::Quantize(settings, formats::RowCount(*copy.source), width, read));
    formats::ReleasePages(copy.source->data);
  }
  return {};
}

/// A stored one-dimensional tensor counts as one row; so does its destination.
Status ConvertAll(const std::vector<Copy>& copies) {
  struct Chunk {
    const Copy* copy;
    formats::RowRange rows;
  };
  constexpr std::int64_t kChunkElements = 1 << 18;
  std::vector<Chunk> chunks;
  for (const Copy& copy : copies) {
    if (copy.placement->quantized != nullptr) continue;
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

Status ReadAll(const std::vector<Copy>& copies, const LoadOptions& options) {
  LATHE_RETURN_IF_ERROR(ConvertAll(copies));
  if (options.quantization) return QuantizeAll(copies, *options.quantization);
  return {};
}

/// One layer after another, so that a model is read that does not fit into memory as a whole.
Status ReadByLayer(const std::vector<Copy>& copies, const LoadOptions& options,
                   std::vector<Placement>& plan, Decoder& decoder) {
  const std::size_t layers = decoder.layers.size();
  std::vector<std::vector<Copy>> by_layer(layers + 1);  // The last: what belongs to no layer.
  for (const Copy& copy : copies) {
    by_layer[copy.placement->layer.value_or(layers)].push_back(copy);
  }
  LATHE_RETURN_IF_ERROR(ReadAll(by_layer[layers], options));
  for (std::size_t layer = 0; layer < layers; ++layer) {
    LATHE_RETURN_IF_ERROR(ReadAll(by_layer[layer], options));
    for (const Copy& copy : by_layer[layer]) formats::ReleasePages(copy.source->data);
    for (Placement& placement : plan) {
      if (placement.layer == layer) placement.destination.reset();
    }
    options.layer_read(decoder.layers[layer]);
  }
  return {};
}

bool MayBeSurplus(const std::string& name, const ModelDescription& description) {
  for (const char* rope : {"rope_freqs", "rope_factors_long", "rope_factors_short"}) {
    if (name == std::string(rope) + ".weight") return true;
  }
  if (name.ends_with("rotary_emb.inv_freq")) return true;
  return description.tied_embeddings && name == "lm_head.weight";
}

/// Pairs every placement with its stored tensor; all that is wrong with names and shapes at once.
Result<std::vector<Copy>> Match(const std::vector<Placement>& plan, const ModelFile& source,
                                const ModelDescription& description) {
  Error error{ErrorCode::kInvalidArgument, source.name + ": the weights do not fit the model", {}};
  const auto find = [&](const std::string& name, const std::string& code, std::string message,
                        std::string expected = {}) {
    error.findings.push_back({.path = name,
                              .code = code,
                              .message = std::move(message),
                              .given = {},
                              .expected = std::move(expected)});
  };
  std::map<std::string, bool> used;
  std::vector<Copy> copies;
  for (const Placement& placement : plan) {
    const std::string& name = source.is_gguf() ? placement.gguf_name : placement.name;
    used[name] = true;
    const TensorInfo* stored = source.Find(name);
    const auto expected = placement.destination.sizes().vec();
    if (stored == nullptr) {
      find(name, "missing_weight", "tensor " + name + " is missing from " + source.name,
           formats::ShapeToString(expected));
    } else if (stored->shape != expected) {
      find(name, "wrong_shape",
           "tensor " + name + " has shape " + formats::ShapeToString(stored->shape) +
               ", expected " + formats::ShapeToString(expected));
    } else if (!formats::CanDequantize(stored->dtype)) {
      find(name, "unsupported_type",
           "tensor " + name + " has type " + std::string(formats::ToString(stored->dtype)) +
               ", which is not a floating-point one");
    } else {
      const bool gguf = source.is_gguf();
      copies.push_back({stored, &placement, gguf ? placement.interleaved_head_dim : 0,
                        gguf ? placement.gguf_offset : 0});
    }
  }
  for (const TensorInfo& tensor : source.tensors()) {
    if (used.contains(tensor.name) || MayBeSurplus(tensor.name, description)) continue;
    find(tensor.name, "surplus_weight",
         "tensor " + tensor.name + " is not part of a " + description.architecture + " model");
  }
  if (!error.findings.empty()) {
    error.message += ": " + error.findings.front().message;
    return Failure(std::move(error));
  }
  return copies;
}

void MoveTo(Decoder& decoder, const at::Device& device) {
  const auto move = [&](at::Tensor& tensor) {
    if (tensor.defined() && !tensor.is_meta()) tensor = tensor.to(device);
  };
  const auto move_linear = [&](FusedLinear& linear) {
    if (linear.quantized.empty()) move(linear.weight);
    move(linear.bias);
    for (auto& matrix : linear.quantized) {
      if (!matrix.codes.is_meta()) matrix = quantization::MoveTo(matrix, device);
    }
  };
  move(decoder.embedding);
  move(decoder.final_norm);
  for (LayerWeights& layer : decoder.layers) {
    for (at::Tensor* norm : {&layer.attention_norm, &layer.mlp_norm, &layer.query_norm,
                             &layer.key_norm, &layer.attention_out_norm, &layer.mlp_out_norm}) {
      move(*norm);
    }
    for (FusedLinear* linear : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down}) {
      move_linear(*linear);
    }
  }
  if (decoder.description.tied_embeddings) {
    decoder.head.weight = decoder.embedding;
  } else {
    move_linear(decoder.head);
  }
}

Result<ModelDescription> Describe(const std::filesystem::path& model, const ModelFile& source) {
  if (source.is_gguf()) return DescribeGguf(std::get<formats::Gguf>(source.file));
  return DescribeFolder(model);
}

}  // namespace

Result<ModelDescription> DescribeModel(const std::filesystem::path& model) {
  if (std::filesystem::is_directory(model)) return DescribeFolder(model);
  LATHE_ASSIGN_OR_RETURN(const auto gguf, formats::Gguf::Open(model));
  return DescribeGguf(gguf);
}

Result<Decoder> LoadDecoder(const std::filesystem::path& model, const LoadOptions& options) {
  std::error_code ignored;
  if (!std::filesystem::exists(model, ignored)) {
    return Failure(ErrorCode::kNotFound, "model " + model.string() + " does not exist");
  }
  if (std::filesystem::is_directory(model)) {
    LATHE_RETURN_IF_ERROR(DescribeFolder(model).map([](auto&&) {}));
  }
  LATHE_ASSIGN_OR_RETURN(const ModelFile source, ModelFile::Open(model));
  LATHE_ASSIGN_OR_RETURN(const ModelDescription description, Describe(model, source));
  Decoder decoder =
      AllocateDecoder(description, options.dtype,
                      options.quantization ? WeightStorage::kQuantized : WeightStorage::kDense);
  std::vector<Placement> plan = PlanWeights(decoder);
  LATHE_ASSIGN_OR_RETURN(const std::vector<Copy> copies, Match(plan, source, description));
  LATHE_RETURN_IF_ERROR(options.layer_read ? ReadByLayer(copies, options, plan, decoder)
                                           : ReadAll(copies, options));
  if (!options.device.is_cpu()) MoveTo(decoder, options.device);
  for (const RopeDescription& rope : description.ropes) {
    decoder.ropes.emplace_back(rope, options.max_positions, options.device);
  }
  return decoder;
}

}  // namespace lathe::trainer::model
