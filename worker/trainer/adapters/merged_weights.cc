#include "worker/trainer/adapters/merged_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <string_view>

#include "worker/trainer/adapters/peft.h"
#include "worker/trainer/adapters/peft_names.h"
#include "worker/trainer/adapters/selection.h"
#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::adapters {
namespace {

Result<at::Tensor> Values(const formats::TensorInfo& tensor) {
  at::Tensor values = at::empty(tensor.shape, at::kFloat);
  LATHE_RETURN_IF_ERROR(formats::DequantizeRows(
      tensor, {0, formats::RowCount(tensor)},
      {static_cast<float*>(values.data_ptr()), static_cast<std::size_t>(values.numel())}));
  return values;
}

/// The layer that a tensor of PEFT's naming belongs to when it ends in `suffix`, else nullopt.
std::optional<std::string> LayerOf(std::string_view name, std::string_view suffix) {
  if (!name.starts_with(kNamePrefix) || !name.ends_with(suffix)) return std::nullopt;
  name.remove_prefix(kNamePrefix.size());
  name.remove_suffix(suffix.size());
  return std::string(name);
}

bool Fits(const MergedWeights::Layer& layer, std::int64_t rank) {
  return layer.a.defined() && layer.b.defined() && layer.a.dim() == 2 && layer.b.dim() == 2 &&
         layer.a.size(0) == rank && layer.b.size(1) == rank &&
         (!layer.magnitude.defined() || layer.magnitude.numel() == layer.b.size(0));
}

}  // namespace

Result<MergedWeights> MergedWeights::Open(const std::filesystem::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const LoraSettings settings, ReadPeftSettings(folder));
  const std::filesystem::path path = folder / kWeightsFile;
  LATHE_ASSIGN_OR_RETURN(const auto file, formats::Safetensors::OpenFile(path));
  const auto fail = [&](const std::string& message) {
    return Failure(ErrorCode::kInvalidArgument, path.string() + ": " + message);
  };
  MergedWeights merged;
  for (const formats::TensorInfo& tensor : file.tensors()) {
    // PEFT saves the frozen weight too when the output head is adapted.
    if (tensor.name.ends_with(".base_layer.weight")) continue;
    LATHE_ASSIGN_OR_RETURN(at::Tensor values, Values(tensor));
    if (const auto a = LayerOf(tensor.name, kSuffixA)) {
      merged.layers_[*a].a = std::move(values);
    } else if (const auto b = LayerOf(tensor.name, kSuffixB)) {
      merged.layers_[*b].b = std::move(values);
    } else if (const auto m = LayerOf(tensor.name, kSuffixMagnitude)) {
      merged.layers_[*m].magnitude = std::move(values);
    } else if (const auto adapted = LayerOf(tensor.name, ".base_layer.bias")) {
      merged.biases_[*adapted] = std::move(values);
    } else if (const auto other = LayerOf(tensor.name, ".bias")) {
      merged.biases_[*other] = std::move(values);
    } else {
      return fail("tensor " + tensor.name + " is nothing that can be merged");
    }
  }
  for (auto& [name, layer] : merged.layers_) {
    const LoraModule described = DescribeModule(name, settings);
    layer.scale = described.scale;
    if (!Fits(layer, described.rank) || layer.magnitude.defined() != settings.dora) {
      return fail("the tensors of " + name + " are not those of a layer of rank " +
                  std::to_string(described.rank) + (settings.dora ? " with DoRA" : ""));
    }
  }
  return merged;
}

const MergedWeights::Layer* MergedWeights::Find(const std::string& layer) const {
  const auto found = layers_.find(layer);
  return found == layers_.end() ? nullptr : &found->second;
}

const at::Tensor* MergedWeights::FindBias(const std::string& layer) const {
  const auto found = biases_.find(layer);
  return found == biases_.end() ? nullptr : &found->second;
}

void MergeRows(const MergedWeights::Layer& layer, std::span<const std::int64_t> indices,
               std::span<float> rows) {
  const auto count = static_cast<std::int64_t>(indices.size());
  at::Tensor weight = at::from_blob(rows.data(), {count, layer.a.size(1)}, at::kFloat);
  at::Tensor index = at::empty({count}, at::kLong);
  std::copy(indices.begin(), indices.end(), static_cast<std::int64_t*>(index.data_ptr()));
  weight.addmm_(layer.b.index_select(0, index), layer.a, 1.0, layer.scale);
  if (!layer.magnitude.defined()) return;
  const at::Tensor norm = at::linalg_vector_norm(weight, 2, {1}).clamp_min_(1e-15);
  weight.mul_((layer.magnitude.index_select(0, index) / norm).unsqueeze(1));
}

}  // namespace lathe::trainer::adapters
