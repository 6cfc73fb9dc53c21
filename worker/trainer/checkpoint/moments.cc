#include "worker/trainer/checkpoint/moments.h"

#include <ATen/ops/empty.h>

#include <cstring>

#include "common/base/check.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::checkpoint {
namespace {

constexpr char kFile[] = "optimizer.safetensors";

formats::DType TypeOf(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kByte) return formats::DType::kU8;
  LATHE_CHECK(tensor.scalar_type() == at::kFloat, "optimizer states are fp32 or uint8");
  return formats::DType::kF32;
}

Status ReadInto(const formats::Safetensors& file, const std::string& name,
                at::Tensor& destination) {
  const formats::TensorInfo* tensor = file.Find(name);
  if (tensor == nullptr || tensor->dtype != TypeOf(destination) ||
      tensor->shape != destination.sizes().vec()) {
    return Failure(ErrorCode::kDataLoss, std::string(kFile) + ": tensor " + name +
                                             " is missing or of another type or size");
  }
  const at::Tensor values = at::empty(destination.sizes(), destination.scalar_type());
  if (!tensor->data.empty()) {
    std::memcpy(values.data_ptr(), tensor->data.data(), tensor->data.size());
  }
  destination.copy_(values);
  return {};
}

}  // namespace

Status WriteMoments(const optim::OptimizerState& state, const std::filesystem::path& folder) {
  if (state.tensors.empty()) return {};
  std::vector<at::Tensor> alive;
  std::vector<formats::TensorInfo> tensors;
  for (const auto& [name, values] : state.tensors) {
    alive.push_back(values.to(at::kCPU).contiguous());
    tensors.push_back(
        {name,
         TypeOf(alive.back()),
         alive.back().sizes().vec(),
         {static_cast<const std::byte*>(alive.back().data_ptr()), alive.back().nbytes()}});
  }
  return formats::WriteSafetensors(folder / kFile, tensors, {});
}

Status ReadMoments(const std::filesystem::path& folder, optim::OptimizerState& state) {
  if (state.tensors.empty()) return {};
  LATHE_ASSIGN_OR_RETURN(const auto file, formats::Safetensors::OpenFile(folder / kFile));
  for (auto& [name, tensor] : state.tensors) {
    LATHE_RETURN_IF_ERROR(ReadInto(file, name, tensor));
  }
  return {};
}

}  // namespace lathe::trainer::checkpoint
