#include "worker/node/inventory.h"

#include <utility>

#include "common/base/log.h"
#include "common/base/version.h"
#include "worker/devices/host.h"
#include "worker/devices/model_scan.h"
#include "worker/devices/nvml.h"
#include "worker/devices/trainer_probe.h"

namespace lathe::worker {

Result<std::unique_ptr<Inventory>> Inventory::Take(const Config& config) {
  v1::NodeResources resources;
  resources.set_cpu_slots(config.cpu_slots);
  resources.set_cpu_cores(devices::CpuCores());
  resources.set_memory_bytes(devices::MemoryBytes());
  if (config.use_gpus) {
    LATHE_ASSIGN_OR_RETURN(const auto gpus, devices::ListGpus());
    for (const devices::GpuDevice& gpu : gpus) {
      v1::Gpu& added = *resources.add_gpus();
      added.set_index(gpu.index);
      added.set_uuid(gpu.uuid);
      added.set_name(gpu.name);
      added.set_memory_bytes(gpu.memory_bytes);
    }
  }
  if (resources.gpus_size() > 0) {
    // Asked at once: a job that is placed on a GPU must be able to use it.
    const auto speed = devices::ProbeSpeed({config.trainer, [] { return false; }}, "cuda:0");
    resources.set_cuda(speed.has_value());
    if (!speed) {
      log::Warning("gpus_not_used", {{"gpus", resources.gpus_size()},
                                     {"why", speed.error().message},
                                     {"remedy", "build lathe-trainer with a CUDA torch"}});
    }
  }
  std::unique_ptr<Inventory> inventory(new Inventory(config.models_dir, std::move(resources)));
  LATHE_ASSIGN_OR_RETURN(inventory->models_, devices::ScanModels(config.models_dir));
  if (inventory->models_.empty()) {
    log::Warning("no_models", {{"models_dir", config.models_dir.string()},
                               {"why", "no job can run here without a base model"},
                               {"remedy",
                                "put NAME.gguf or a folder with config.json there; it is found "
                                "within seconds"}});
  }
  return inventory;
}

std::optional<std::filesystem::path> Inventory::FindModel(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(name);
  return found == models_.end() ? std::nullopt : std::optional(found->second);
}

std::map<std::string, std::filesystem::path> Inventory::Models() const {
  const std::lock_guard lock(mutex_);
  return models_;
}

bool Inventory::RescanModels() {
  auto models = devices::ScanModels(models_dir_);
  if (!models) {
    log::Warning("models_not_scanned", {{"error", ToString(models.error())}});
    return false;
  }
  const std::lock_guard lock(mutex_);
  if (*models == models_) return false;
  models_ = std::move(*models);
  return true;
}

v1::Registration Inventory::Registration(const std::string& node_id) const {
  v1::Registration registration;
  registration.set_node_id(node_id);
  registration.set_hostname(devices::HostName());
  registration.set_worker_version(Version());
  *registration.mutable_resources() = resources_;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, path] : models_) registration.add_models(name);
  return registration;
}

}  // namespace lathe::worker
