#include <ATen/ops/empty.h>

#include <set>

#include "worker/trainer/adapters/peft.h"
#include "worker/trainer/adapters/peft_names.h"
#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::adapters {
namespace {

using formats::TensorInfo;

struct Target {
  const TensorInfo* source;
  at::Tensor destination;
};

/// Every matrix of an adapter under its name in the file.
std::vector<std::pair<std::string, at::Tensor>> NamedMatrices(const LoraAdapter& adapter) {
  std::vector<std::pair<std::string, at::Tensor>> matrices;
  for (const LoraModule& module : adapter.modules()) {
    matrices.emplace_back(kNamePrefix + module.name + kSuffixA, module.a);
    matrices.emplace_back(kNamePrefix + module.name + kSuffixB, module.b);
  }
  return matrices;
}

Status CopyIn(const Target& target) {
  at::Tensor values = at::empty(target.destination.sizes(), at::kFloat);
  auto* out = static_cast<float*>(values.data_ptr());
  const formats::RowRange all{0, formats::RowCount(*target.source)};
  LATHE_RETURN_IF_ERROR(formats::DequantizeRows(*target.source, all,
                                                {out, static_cast<std::size_t>(values.numel())}));
  target.destination.copy_(values);
  return {};
}

}  // namespace

Status ReadPeftWeights(const std::filesystem::path& folder, LoraAdapter& adapter) {
  const std::filesystem::path path = folder / kWeightsFile;
  LATHE_ASSIGN_OR_RETURN(const auto file, formats::Safetensors::OpenFile(path));
  Error error{ErrorCode::kInvalidArgument, path.string() + " does not fit: ", {}};
  const auto find = [&](const std::string& name, const std::string& message) {
    error.findings.push_back(
        {.path = name, .code = "wrong_adapter", .message = message, .given = {}, .expected = {}});
  };
  std::set<std::string> used;
  std::vector<Target> targets;
  for (const auto& [name, destination] : NamedMatrices(adapter)) {
    used.insert(name);
    const TensorInfo* tensor = file.Find(name);
    const auto expected = destination.sizes().vec();
    if (tensor == nullptr) {
      find(name, "tensor " + name + " is missing");
    } else if (tensor->shape != expected) {
      find(name, "tensor " + name + " has shape " + formats::ShapeToString(tensor->shape) +
                     ", expected " + formats::ShapeToString(expected));
    } else {
      targets.push_back({tensor, destination});
    }
  }
  for (const TensorInfo& tensor : file.tensors()) {
    // PEFT saves the frozen weight too when the output head is adapted.
    if (used.contains(tensor.name) || tensor.name.ends_with(".base_layer.weight")) continue;
    find(tensor.name, "tensor " + tensor.name + " belongs to no module that is adapted");
  }
  if (!error.findings.empty()) {
    error.message += error.findings.front().message;
    return Failure(std::move(error));
  }
  for (const Target& target : targets) LATHE_RETURN_IF_ERROR(CopyIn(target));
  adapter.Refresh();
  return {};
}

Status WritePeftWeights(const LoraAdapter& adapter, const std::filesystem::path& folder) {
  std::vector<TensorInfo> tensors;
  std::vector<at::Tensor> alive;  // Copies on the CPU live until the file is written.
  for (const auto& [name, values] : NamedMatrices(adapter)) {
    alive.push_back(values.to(at::kCPU).contiguous());
    const at::Tensor& tensor = alive.back();
    tensors.push_back({name,
                       formats::DType::kF32,
                       tensor.sizes().vec(),
                       {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()}});
  }
  return formats::WriteSafetensors(folder / kWeightsFile, tensors, {{"format", "pt"}});
}

}  // namespace lathe::trainer::adapters
