#include "worker/trainer/adapters/tensor_file.h"

#include <ATen/ops/empty.h>

#include <set>

#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::adapters {
namespace {

using formats::TensorInfo;

struct Target {
  const TensorInfo* source;
  at::Tensor destination;
};

Status CopyIn(const Target& target) {
  at::Tensor values = at::empty(target.destination.sizes(), at::kFloat);
  auto* out = static_cast<float*>(values.data_ptr());
  const formats::RowRange all{0, formats::RowCount(*target.source)};
  LATHE_RETURN_IF_ERROR(formats::DequantizeRows(*target.source, all,
                                                {out, static_cast<std::size_t>(values.numel())}));
  target.destination.copy_(values);
  return {};
}

Finding Mismatch(const std::string& name, const std::string& message) {
  return {.path = name, .code = "wrong_adapter", .message = message, .given = {}, .expected = {}};
}

}  // namespace

std::vector<NamedTensor> NamedTensors(const Trainable& trainable) {
  std::vector<NamedTensor> tensors;
  for (const NamedView& view : trainable.views) {
    tensors.push_back({view.name, view.Of(trainable.parameters)});
  }
  return tensors;
}

Status WriteTensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  std::vector<TensorInfo> infos;
  std::vector<at::Tensor> alive;  // Copies on the CPU live until the file is written.
  for (const auto& [name, values] : tensors) {
    alive.push_back(values.to(at::kCPU).contiguous());
    const at::Tensor& tensor = alive.back();
    infos.push_back({name,
                     formats::DType::kF32,
                     tensor.sizes().vec(),
                     {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()}});
  }
  return formats::WriteSafetensors(path, infos, {{"format", "pt"}});
}

Status ReadTensors(const std::filesystem::path& path, std::span<const NamedTensor> destinations,
                   const std::function<bool(std::string_view)>& is_passed_over) {
  LATHE_ASSIGN_OR_RETURN(const auto file, formats::Safetensors::OpenFile(path));
  Error error{ErrorCode::kInvalidArgument, path.string() + " does not fit: ", {}};
  std::set<std::string> used;
  std::vector<Target> targets;
  for (const auto& [name, destination] : destinations) {
    used.insert(name);
    const TensorInfo* tensor = file.Find(name);
    const auto expected = destination.sizes().vec();
    if (tensor == nullptr) {
      error.findings.push_back(Mismatch(name, "tensor " + name + " is missing"));
    } else if (tensor->shape != expected) {
      error.findings.push_back(
          Mismatch(name, "tensor " + name + " has shape " + formats::ShapeToString(tensor->shape) +
                             ", expected " + formats::ShapeToString(expected)));
    } else {
      targets.push_back({tensor, destination});
    }
  }
  for (const TensorInfo& tensor : file.tensors()) {
    if (used.contains(tensor.name) || (is_passed_over && is_passed_over(tensor.name))) continue;
    error.findings.push_back(
        Mismatch(tensor.name, "tensor " + tensor.name + " belongs to nothing that is adapted"));
  }
  if (!error.findings.empty()) {
    error.message += error.findings.front().message;
    return Failure(std::move(error));
  }
  for (const Target& target : targets) LATHE_RETURN_IF_ERROR(CopyIn(target));
  return {};
}

}  // namespace lathe::trainer::adapters
