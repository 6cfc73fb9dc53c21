#pragma once
// This cluster as an engine: what it can do is what the trainers of its nodes tell of themselves.
// Pure and thread-safe.

#include <string_view>
#include <vector>

#include "coordinator/providers/engine.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::providers {

/// The engine `lathe` for jobs on a device, "cpu" or "cuda" (empty: on any). A value is accepted
/// when one of the trainers accepts it; a parameter has no effect when it has none with all of
/// them. Where no trainer has told anything of that device, the built-in description stands.
Engine ClusterEngine(const std::vector<v1::TrainerCapabilities>& trainers, std::string_view device);

/// The same for each device.
struct ClusterEngines {
  Engine cpu;
  Engine cuda;
};
ClusterEngines MakeClusterEngines(const std::vector<v1::TrainerCapabilities>& trainers);

}  // namespace lathe::providers
