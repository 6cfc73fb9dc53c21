#include "worker/trainer/device/transfer.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace lathe::trainer::device {
namespace {

template <class T>
at::Tensor UploadAs(at::ScalarType type, const std::vector<T>& values, const at::Device& device) {
  const auto options = at::TensorOptions(type).pinned_memory(!device.is_cpu());
  at::Tensor host = at::empty({static_cast<std::int64_t>(values.size())}, options);
  std::copy(values.begin(), values.end(), static_cast<T*>(host.data_ptr()));
  return host.to(device, /*non_blocking=*/true);
}

}  // namespace

at::Tensor Upload(const std::vector<std::int32_t>& values, const at::Device& device) {
  return UploadAs(at::kInt, values, device);
}

at::Tensor Upload(const std::vector<std::int64_t>& values, const at::Device& device) {
  return UploadAs(at::kLong, values, device);
}

}  // namespace lathe::trainer::device
