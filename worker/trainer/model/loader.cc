#include "worker/trainer/model/loader.h"

#include <map>

#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/model/model_file.h"
#include "worker/trainer/model/weight_plan.h"
#include "worker/trainer/model/weight_reader.h"

namespace lathe::trainer::model {
namespace {

using formats::TensorInfo;

/// One layer after another, so that a model is read that does not fit into memory as a whole.
Status ReadByLayer(std::vector<WeightCopy> copies, const LoadOptions& options, Decoder& decoder) {
  const std::size_t layers = decoder.layers.size();
  std::vector<std::vector<WeightCopy>> by_layer(layers + 1);  // The last: what belongs to no layer.
  for (WeightCopy& copy : copies) {
    by_layer[copy.layer.value_or(layers)].push_back(std::move(copy));
  }
  LATHE_RETURN_IF_ERROR(ReadToHost(by_layer[layers], options.quantization));
  for (std::size_t layer = 0; layer < layers; ++layer) {
    LATHE_RETURN_IF_ERROR(ReadToHost(by_layer[layer], options.quantization));
    for (const WeightCopy& copy : by_layer[layer]) formats::ReleasePages(copy.source->data);
    by_layer[layer].clear();  // With its hold on the weights.
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
Result<std::vector<WeightCopy>> Match(const std::vector<Placement>& plan, const ModelFile& source,
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
  std::vector<WeightCopy> copies;
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
      copies.push_back({.source = stored,
                        .destination = placement.destination,
                        .quantized = placement.quantized,
                        .interleaved_head_dim = gguf ? placement.interleaved_head_dim : 0,
                        .offset = gguf ? placement.gguf_offset : 0,
                        .layer = placement.layer});
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
  // Who takes layers away does so in host memory.
  const bool direct = !options.layer_read;
  Decoder decoder =
      AllocateDecoder(description, options.dtype,
                      options.quantization ? WeightStorage::kQuantized : WeightStorage::kDense,
                      direct ? options.device : at::kCPU);
  LATHE_ASSIGN_OR_RETURN(std::vector<WeightCopy> copies,
                         Match(PlanWeights(decoder), source, description));
  if (!direct) {
    LATHE_RETURN_IF_ERROR(ReadByLayer(std::move(copies), options, decoder));
    if (!options.device.is_cpu()) MoveTo(decoder, options.device);
  } else if (options.device.is_cpu()) {
    LATHE_RETURN_IF_ERROR(ReadToHost(copies, options.quantization));
  } else {
    LATHE_RETURN_IF_ERROR(ReadThroughHost(copies, options.quantization, options.device));
  }
  for (const RopeDescription& rope : description.ropes) {
    decoder.ropes.emplace_back(rope, options.max_positions, options.device);
  }
  return decoder;
}

}  // namespace lathe::trainer::model
