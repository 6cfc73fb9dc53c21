#pragma once
// The engine that a job is for, and what it says of a configuration before anything is stored.
// Pure.

#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/domain/resources.h"
#include "coordinator/providers/cluster.h"
#include "coordinator/providers/engine.h"
#include "coordinator/providers/settings.h"
#include "coordinator/runtime/view.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::api {

struct EngineChoice {
  /// Null when there is no such engine: then the only finding says so.
  const providers::Engine* engine = nullptr;
  std::vector<Finding> findings;  ///< why it can't start jobs

  /// An engine beyond this cluster.
  bool is_service() const { return engine != nullptr && !engine->is_cluster(); }
};

/// By id; empty is this cluster. `settings` may be null: then there are no keys.
EngineChoice ChooseEngine(const std::string& id, const providers::Settings* settings);

/// What a job of this cluster takes of a node. model.deviceMap decides where hardware.device leaves
/// it open; they never contradict each other. `device: auto` is a GPU where a node has one.
domain::ResourceRequest ResourcesFor(const v1::JobConfiguration& configuration,
                                     const std::vector<runtime::NodeView>& nodes);

/// A configuration as it was given, and schema::Resolve of it.
struct CheckedConfiguration {
  const v1::JobConfiguration& given;
  const v1::JobConfiguration& resolved;
};

/// What this cluster says, by what the trainers of its nodes tell of themselves and the base models
/// that nodes have; without what stands in `earlier` of the same parameters.
std::vector<Finding> CheckForCluster(const CheckedConfiguration& configuration,
                                     const std::vector<runtime::NodeView>& nodes,
                                     const providers::ClusterEngines& cluster,
                                     const std::vector<Finding>& earlier);

/// What a service says of the configuration, without what stands in `earlier` of the same
/// parameters.
std::vector<Finding> CheckForService(const providers::Engine& engine,
                                     const CheckedConfiguration& configuration,
                                     const std::vector<Finding>& earlier);

}  // namespace lathe::api
