#include "worker/trainer/merge/tensors.h"

#include <algorithm>
#include <map>
#include <set>

#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/model/weight_plan.h"

namespace lathe::trainer::merge {
namespace {

using formats::DType;
using formats::TensorInfo;

constexpr char kHead[] = "lm_head";
constexpr char kEmbedding[] = "model.embed_tokens.weight";

/// Fills in the layer from a Hugging Face name.
void SetLayer(const std::string& name, OutputTensor& tensor) {
  for (const char* suffix : {".weight", ".bias"}) {
    if (!name.ends_with(suffix)) continue;
    tensor.layer = name.substr(0, name.size() - std::string_view(suffix).size());
    tensor.is_bias = std::string_view(suffix) == ".bias";
  }
}

/// Every layer of the adapter must be among the tensors, with the sizes that it was trained for.
Status CheckLayers(const std::vector<OutputTensor>& tensors, const adapters::MergedWeights& merged,
                   const std::string& source) {
  std::map<std::string, const OutputTensor*> weights;
  for (const OutputTensor& tensor : tensors) {
    if (!tensor.is_bias) weights[tensor.layer] = &tensor;
  }
  Error error{ErrorCode::kInvalidArgument, {}, {}};
  const auto find = [&](const std::string& layer, const std::string& message) {
    error.findings.push_back(
        {.path = layer, .code = "wrong_adapter", .message = message, .given = {}, .expected = {}});
  };
  for (const auto& [name, layer] : merged.layers()) {
    const auto found = weights.find(name);
    if (found == weights.end()) {
      find(name, "the adapter has the layer " + name + ", which the model lacks");
      continue;
    }
    const std::vector<std::int64_t> shape = {layer.b.size(0), layer.a.size(1)};
    if (found->second->spec.shape != shape) {
      find(name, "the adapter is for " + name + " of shape " + formats::ShapeToString(shape) +
                     ", the model has " + formats::ShapeToString(found->second->spec.shape));
    }
  }
  if (error.findings.empty()) return {};
  error.message = source + " and the adapter do not fit: " + error.findings.front().message;
  return Failure(std::move(error));
}

Status CheckReadable(const TensorInfo& tensor, const std::string& source) {
  if (formats::CanDequantize(tensor.dtype)) return {};
  return Failure(ErrorCode::kInvalidArgument, source + ": tensor " + tensor.name + " has type " +
                                                  std::string(formats::ToString(tensor.dtype)) +
                                                  ", which is not a floating-point one");
}

/// What llama.cpp expects: vectors in fp32, and whole blocks in a row.
DType GgufType(const std::vector<std::int64_t>& shape, DType precision) {
  if (shape.size() < 2) return DType::kF32;
  const std::int64_t block = formats::InfoOf(precision).block_elements;
  return shape.back() % block == 0 ? precision : DType::kF16;
}

/// The tensors of an output whose names and order the decoder's own plan of weights tells.
class PlannedTensors {
 public:
  explicit PlannedTensors(const model::ModelFile& source) : source_(source) {}

  /// `target` says of a placement what the output has: its spec, order and offset.
  template <class Target>
  Status AddAll(const model::ModelDescription& description, const adapters::MergedWeights& merged,
                const Target& target) {
    model::Decoder decoder =
        model::AllocateDecoder(description, at::kFloat, model::WeightStorage::kQuantized);
    for (const model::Placement& placement : model::PlanWeights(decoder)) {
      LATHE_RETURN_IF_ERROR(Add(placement, target(placement)));
      const bool tied = placement.name == kEmbedding && description.tied_embeddings;
      if (!tied || merged.Find(kHead) == nullptr) continue;
      // What is merged into the head must not change the embedding.
      OutputTensor head = tensors_.back();
      head.spec.name = head.spec.name == kEmbedding ? "lm_head.weight" : "output.weight";
      head.layer = kHead;
      tensors_.push_back(std::move(head));
    }
    return {};
  }

  /// What the decoder knows nothing of, as it is.
  void AddOthers() {
    for (const TensorInfo& stored : source_.tensors()) {
      if (used_.contains(stored.name)) continue;
      tensors_.push_back({.spec = {stored.name, stored.dtype, stored.shape}, .source = &stored});
    }
  }

  /// Of what the decoder has no place for, config.json says the divisors of positions.
  Status CheckNoOthers() const {
    for (const TensorInfo& stored : source_.tensors()) {
      if (used_.contains(stored.name) || stored.name.starts_with("rope_f")) continue;
      return Failure(ErrorCode::kInvalidArgument,
                     source_.name + ": tensor " + stored.name + " has no place in a folder");
    }
    return {};
  }

  const std::vector<OutputTensor>& tensors() const { return tensors_; }

 private:
  Status Add(const model::Placement& placement, OutputTensor tensor) {
    const std::string& from = source_.is_gguf() ? placement.gguf_name : placement.name;
    const TensorInfo* stored = source_.Find(from);
    if (stored == nullptr || stored->shape != tensor.spec.shape) {
      return Failure(
          ErrorCode::kInvalidArgument,
          source_.name + ": tensor " + from +
              (stored == nullptr ? " is missing"
                                 : " has shape " + formats::ShapeToString(stored->shape) +
                                       ", expected " + formats::ShapeToString(tensor.spec.shape)));
    }
    LATHE_RETURN_IF_ERROR(CheckReadable(*stored, source_.name));
    used_.insert(from);
    tensor.source = stored;
    tensor.source_interleaved = source_.is_gguf() ? placement.interleaved_head_dim : 0;
    SetLayer(placement.name, tensor);
    tensors_.push_back(std::move(tensor));
    return {};
  }

  const model::ModelFile& source_;
  std::vector<OutputTensor> tensors_;
  std::set<std::string> used_;
};

}  // namespace

Result<std::optional<DType>> ParsePrecision(const MergeOptions& options) {
  const std::map<std::string, DType> names = {
      {"fp32", DType::kF32}, {"bf16", DType::kBF16}, {"fp16", DType::kF16}, {"q8_0", DType::kQ8_0}};
  if (options.precision.empty()) return std::nullopt;
  const auto found = names.find(options.precision);
  const bool fits =
      found != names.end() && (options.format == "gguf" || !formats::IsQuantized(found->second));
  if (fits) return found->second;
  return Failure(ErrorCode::kInvalidArgument,
                 "precision " + options.precision + " is not one of fp32, bf16, fp16" +
                     (options.format == "gguf" ? ", q8_0" : ", which a folder can have"));
}

Result<std::vector<OutputTensor>> FolderTensors(const model::ModelFile& source,
                                                const adapters::MergedWeights& merged,
                                                std::optional<DType> precision) {
  std::vector<OutputTensor> tensors;
  for (const TensorInfo& stored : source.tensors()) {
    OutputTensor tensor{.spec = {stored.name, stored.dtype, stored.shape}, .source = &stored};
    SetLayer(stored.name, tensor);
    if (precision && formats::CanDequantize(stored.dtype)) tensor.spec.dtype = *precision;
    const bool changes = merged.Find(tensor.layer) != nullptr || precision;
    if (changes) LATHE_RETURN_IF_ERROR(CheckReadable(stored, source.name));
    tensors.push_back(std::move(tensor));
  }
  const TensorInfo* embedding = source.Find(kEmbedding);
  if (merged.Find(kHead) != nullptr && source.Find("lm_head.weight") == nullptr && embedding) {
    // Tied to the embedding until now: what is merged into the head must not change that.
    OutputTensor head{
        .spec = {"lm_head.weight", precision.value_or(embedding->dtype), embedding->shape},
        .source = embedding,
        .layer = kHead};
    tensors.push_back(std::move(head));
  }
  LATHE_RETURN_IF_ERROR(CheckLayers(tensors, merged, source.name));
  return tensors;
}

Result<std::vector<OutputTensor>> GgufTensors(const model::ModelFile& source,
                                              const model::ModelDescription& description,
                                              const adapters::MergedWeights& merged,
                                              DType precision) {
  PlannedTensors tensors(source);
  LATHE_RETURN_IF_ERROR(tensors.AddAll(description, merged, [&](const model::Placement& placement) {
    const std::vector<std::int64_t> shape = placement.destination.sizes().vec();
    return OutputTensor{.spec = {placement.gguf_name, GgufType(shape, precision), shape},
                        .output_interleaved = placement.interleaved_head_dim,
                        .offset = source.is_gguf() ? 0 : placement.gguf_offset};
  }));
  if (source.is_gguf()) tensors.AddOthers();  // Such as rope_freqs.weight.
  LATHE_RETURN_IF_ERROR(CheckLayers(tensors.tensors(), merged, source.name));
  return tensors.tensors();
}

Result<std::vector<OutputTensor>> FolderTensorsOfGguf(const model::ModelFile& source,
                                                      const model::ModelDescription& description,
                                                      const adapters::MergedWeights& merged,
                                                      DType precision) {
  PlannedTensors tensors(source);
  LATHE_RETURN_IF_ERROR(tensors.AddAll(description, merged, [&](const model::Placement& placement) {
    return OutputTensor{.spec = {placement.name, precision, placement.destination.sizes().vec()},
                        .offset = -placement.gguf_offset};
  }));
  LATHE_RETURN_IF_ERROR(tensors.CheckNoOthers());
  LATHE_RETURN_IF_ERROR(CheckLayers(tensors.tensors(), merged, source.name));
  return tensors.tensors();
}

}  // namespace lathe::trainer::merge
