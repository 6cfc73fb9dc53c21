#include "worker/devices/nvml.h"

#include <dlfcn.h>

#include <array>
#include <memory>

namespace lathe::worker::devices {
namespace {

// The part of nvml.h that is used here, from NVIDIA's API reference ("NVML API Reference Guide").
using Return = int;  // 0 = success
using Device = void*;
struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

struct Library {
  Return (*init)();
  Return (*shutdown)();
  Return (*count)(unsigned*);
  Return (*handle)(unsigned, Device*);
  Return (*name)(Device, char*, unsigned);
  Return (*uuid)(Device, char*, unsigned);
  Return (*memory)(Device, Memory*);
};

struct Closer {
  void operator()(void* handle) const { ::dlclose(handle); }
};
using Handle = std::unique_ptr<void, Closer>;

template <class Function>
bool Resolve(void* handle, const char* symbol, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(handle, symbol));
  return function != nullptr;
}

bool ResolveAll(void* handle, Library& nvml) {
  return Resolve(handle, "nvmlInit_v2", nvml.init) &&
         Resolve(handle, "nvmlShutdown", nvml.shutdown) &&
         Resolve(handle, "nvmlDeviceGetCount_v2", nvml.count) &&
         Resolve(handle, "nvmlDeviceGetHandleByIndex_v2", nvml.handle) &&
         Resolve(handle, "nvmlDeviceGetName", nvml.name) &&
         Resolve(handle, "nvmlDeviceGetUUID", nvml.uuid) &&
         Resolve(handle, "nvmlDeviceGetMemoryInfo", nvml.memory);
}

tl::unexpected<Error> Refused(const char* call, Return code) {
  return Failure(ErrorCode::kUnavailable, std::string("the NVIDIA driver refuses ") + call +
                                              " with code " + std::to_string(code) +
                                              "; see nvidia-smi, or set gpus to none");
}

Result<std::vector<GpuDevice>> List(const Library& nvml) {
  unsigned count = 0;
  if (const Return code = nvml.count(&count); code != 0) return Refused("to count GPUs", code);
  std::vector<GpuDevice> gpus;
  for (unsigned index = 0; index < count; ++index) {
    Device device = nullptr;
    std::array<char, 128> name{};
    std::array<char, 128> uuid{};
    Memory memory{};
    Return code = nvml.handle(index, &device);
    if (code == 0) code = nvml.name(device, name.data(), name.size());
    if (code == 0) code = nvml.uuid(device, uuid.data(), uuid.size());
    if (code == 0) code = nvml.memory(device, &memory);
    if (code != 0) return Refused(("GPU " + std::to_string(index)).c_str(), code);
    gpus.push_back({index, uuid.data(), name.data(), memory.total});
  }
  return gpus;
}

}  // namespace

Result<std::vector<GpuDevice>> ListGpus(const std::string& library) {
  const Handle handle(::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!handle) return std::vector<GpuDevice>{};
  Library nvml{};
  if (!ResolveAll(handle.get(), nvml)) {
    return Failure(ErrorCode::kUnavailable, library + " lacks a function; its driver is too old");
  }
  if (const Return code = nvml.init(); code != 0) return Refused("to start", code);
  auto gpus = List(nvml);
  nvml.shutdown();
  return gpus;
}

}  // namespace lathe::worker::devices
