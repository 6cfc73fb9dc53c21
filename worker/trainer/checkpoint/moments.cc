#include "worker/trainer/checkpoint/moments.h"

#include <ATen/ops/empty.h>

#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::checkpoint {
namespace {

constexpr char kFile[] = "optimizer.safetensors";
constexpr char kFirst[] = "first_moment";
constexpr char kSecond[] = "second_moment";

Status ReadInto(const formats::Safetensors& file, const char* name, at::Tensor& destination) {
  const formats::TensorInfo* tensor = file.Find(name);
  if (tensor == nullptr || tensor->shape != destination.sizes().vec()) {
    return Failure(ErrorCode::kDataLoss,
                   std::string(kFile) + ": tensor " + name + " is missing or of another size");
  }
  at::Tensor values = at::empty(destination.sizes(), at::kFloat);
  const formats::RowRange all{0, formats::RowCount(*tensor)};
  LATHE_RETURN_IF_ERROR(formats::DequantizeRows(
      *tensor, all,
      {static_cast<float*>(values.data_ptr()), static_cast<std::size_t>(values.numel())}));
  destination.copy_(values);
  return {};
}

}  // namespace

Status WriteMoments(const optim::OptimizerState& state, const std::filesystem::path& folder) {
  if (!state.first_moment.defined()) return {};
  std::vector<at::Tensor> alive;
  std::vector<formats::TensorInfo> tensors;
  for (const auto& [name, values] :
       {std::pair{kFirst, state.first_moment}, {kSecond, state.second_moment}}) {
    alive.push_back(values.to(at::kCPU).contiguous());
    tensors.push_back(
        {name,
         formats::DType::kF32,
         alive.back().sizes().vec(),
         {static_cast<const std::byte*>(alive.back().data_ptr()), alive.back().nbytes()}});
  }
  return formats::WriteSafetensors(folder / kFile, tensors, {});
}

Status ReadMoments(const std::filesystem::path& folder, optim::OptimizerState& state) {
  if (!state.first_moment.defined()) return {};
  LATHE_ASSIGN_OR_RETURN(const auto file, formats::Safetensors::OpenFile(folder / kFile));
  LATHE_RETURN_IF_ERROR(ReadInto(file, kFirst, state.first_moment));
  return ReadInto(file, kSecond, state.second_moment);
}

}  // namespace lathe::trainer::checkpoint
