#include "worker/trainer/device/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <limits>
#include <string>

namespace lathe::trainer::device {
namespace {

std::int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  statm >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

std::int64_t PeakAllocatedBytes(const at::Device& device) {
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return stats.allocated_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)]
      .peak;
}

std::int64_t AvailableHostBytes() {
  std::ifstream info("/proc/meminfo");
  for (std::string name; info >> name;) {
    std::int64_t kibibytes = 0;
    info >> kibibytes;
    if (name == "MemAvailable:") return kibibytes << 10;
    std::getline(info, name);
  }
  return std::numeric_limits<std::int64_t>::max();
}

Result<at::Device> OpenCuda(const std::string& name, int index) {
  if (!at::detail::getCUDAHooks().hasCUDART()) {
    return Failure(ErrorCode::kFailedPrecondition,
                   "device " + name +
                       ": this program was built with a torch for CPUs alone. Use device cpu, or a "
                       "program built with a CUDA build of torch (preset release-cuda)");
  }
  if (!at::globalContext().hasCUDA()) {
    return Failure(ErrorCode::kFailedPrecondition,
                   "device " + name +
                       ": no usable GPU: this machine has none, or no NVIDIA driver as new as this "
                       "program's CUDA. Use device cpu");
  }
  const int count = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  if (index >= count) {
    return Failure(ErrorCode::kFailedPrecondition,
                   "device " + name + ": this machine has " + std::to_string(count) + " GPU(s)");
  }
  const at::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
  // What names no GPU of its own (a kernel's launch, a library's handle) means this one.
  c10::impl::getDeviceGuardImpl(at::kCUDA)->setDevice(device);
  return device;
}

}  // namespace

Result<at::Device> Open(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  constexpr std::string_view kPrefix = "cuda:";
  if (name.starts_with(kPrefix)) {
    int index = -1;
    const char* end = name.data() + name.size();
    const auto [stop, code] = std::from_chars(name.data() + kPrefix.size(), end, index);
    if (code == std::errc() && stop == end && index >= 0 && index < 128) {
      return OpenCuda(name, index);
    }
  }
  return Failure(ErrorCode::kInvalidArgument,
                 "device \"" + name + "\" is neither cpu nor cuda:N (cuda:0, cuda:1, ...)");
}

std::int64_t MemoryBytes(const at::Device& device) {
  return device.is_cpu() ? ResidentBytes() : PeakAllocatedBytes(device);
}

std::int64_t PeakMemoryBytes(const at::Device& device) {
  if (!device.is_cpu()) return PeakAllocatedBytes(device);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

std::int64_t AvailableBytes(const at::Device& device) {
  if (device.is_cpu()) return AvailableHostBytes();
  const auto [free, total] = c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index());
  return static_cast<std::int64_t>(free);
}

int Threads() {
  return at::get_num_threads();
}

}  // namespace lathe::trainer::device
