#include "worker/trainer/adapters/peft.h"
#include "worker/trainer/adapters/peft_names.h"
#include "worker/trainer/adapters/tensor_file.h"

namespace lathe::trainer::adapters {
namespace {

/// Everything that an adapter trains, each tensor under its name in the file.
std::vector<NamedTensor> NamedMatrices(const LoraAdapter& adapter) {
  std::vector<NamedTensor> matrices;
  for (const LoraModule& module : adapter.modules()) {
    matrices.push_back({kNamePrefix + module.name + kSuffixA, module.a});
    matrices.push_back({kNamePrefix + module.name + kSuffixB, module.b});
    if (!module.magnitude.defined()) continue;
    matrices.push_back({kNamePrefix + module.name + kSuffixMagnitude, module.magnitude});
  }
  for (const LoraBias& bias : adapter.biases()) {
    const char* suffix = bias.adapted ? ".base_layer.bias" : ".bias";
    matrices.push_back({kNamePrefix + bias.layer + suffix, bias.values});
  }
  return matrices;
}

}  // namespace

Status ReadPeftWeights(const std::filesystem::path& folder, LoraAdapter& adapter) {
  // PEFT saves the frozen weight too when the output head is adapted.
  const auto is_frozen = [](std::string_view name) { return name.ends_with(".base_layer.weight"); };
  LATHE_RETURN_IF_ERROR(ReadTensors(folder / kWeightsFile, NamedMatrices(adapter), is_frozen));
  adapter.Refresh();
  return {};
}

Status WritePeftWeights(const LoraAdapter& adapter, const std::filesystem::path& folder) {
  return WriteTensors(folder / kWeightsFile, NamedMatrices(adapter));
}

Trainable ToTrainable(const LoraAdapter& adapter) {
  Trainable trainable{.parameters = adapter.parameters(),
                      .gradients = adapter.gradients(),
                      .additions = {.low_rank = adapter.low_rank()},
                      .exact_file = kWeightsFile};
  for (const NamedTensor& matrix : NamedMatrices(adapter)) {
    trainable.views.push_back(
        {matrix.name, matrix.values.sizes().vec(), matrix.values.storage_offset()});
  }
  trainable.refresh = [adapter] { adapter.Refresh(); };
  trainable.save = [adapter](const std::filesystem::path& folder, const std::string& base_model) {
    return WritePeft(adapter, base_model, folder);
  };
  return trainable;
}

}  // namespace lathe::trainer::adapters
