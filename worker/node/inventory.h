#pragma once
// What the node offers: resources, fixed at start, and base models, scanned again now and then.
// Thread-safe.

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "lathe/v1/worker_service.pb.h"
#include "worker/node/config.h"

namespace lathe::worker {

class Inventory {
 public:
  /// Errors name the configuration key.
  static Result<std::unique_ptr<Inventory>> Take(const Config& config);

  const v1::NodeResources& resources() const { return resources_; }
  /// nullopt when the node has no base model of that name.
  std::optional<std::filesystem::path> FindModel(const std::string& name) const;
  /// All of them, by name.
  std::map<std::string, std::filesystem::path> Models() const;
  /// Reads the models folder again; true when the names are other ones than before.
  bool RescanModels();
  /// Without the attempts.
  v1::Registration Registration(const std::string& node_id) const;

 private:
  Inventory(std::filesystem::path models_dir, v1::NodeResources resources)
      : models_dir_(std::move(models_dir)), resources_(std::move(resources)) {}

  const std::filesystem::path models_dir_;
  const v1::NodeResources resources_;
  mutable std::mutex mutex_;  // guards models_
  std::map<std::string, std::filesystem::path> models_;
};

}  // namespace lathe::worker
