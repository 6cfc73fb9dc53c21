#pragma once
// The GPUs of this node, from NVIDIA's management library, which is loaded at run time: the same
// program serves nodes with and without a driver. Thread-safe.

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace lathe::worker::devices {

struct GpuDevice {
  std::uint32_t index = 0;  ///< in bus order
  std::string uuid;
  std::string name;
  std::uint64_t memory_bytes = 0;
  friend bool operator==(const GpuDevice&, const GpuDevice&) = default;
};

/// All GPUs. Empty when the node has no driver; kUnavailable when the driver is there but refuses.
Result<std::vector<GpuDevice>> ListGpus(const std::string& library = "libnvidia-ml.so.1");

}  // namespace lathe::worker::devices
