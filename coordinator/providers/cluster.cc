#include "coordinator/providers/cluster.h"

#include <algorithm>
#include <optional>

#include "common/schema/parameters.h"

namespace lathe::providers {
namespace {

constexpr char kOptimizations[] = "optimizations.enabled";

using Accepted = std::map<std::string, std::vector<std::string>>;

void Join(std::vector<std::string>& all,
          const google::protobuf::RepeatedPtrField<std::string>& more) {
  for (const std::string& value : more) {
    if (std::find(all.begin(), all.end(), value) == all.end()) all.push_back(value);
  }
}

/// What one trainer restricts; a parameter that both devices restrict has the values of both.
Accepted RowsOf(const v1::TrainerCapabilities& trainer, std::string_view device) {
  Accepted rows;
  for (const auto& row : trainer.accepted()) {
    if (device.empty() || row.device() == device) Join(rows[row.path()], row.values());
  }
  return rows;
}

/// The values that either accepts; who has no row for a parameter accepts all of it.
Accepted Either(Accepted a, const Accepted& b) {
  std::erase_if(a, [&b](const auto& row) { return !b.contains(row.first); });
  for (auto& [path, values] : a) {
    for (const std::string& value : b.at(path)) {
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
  }
  return a;
}

}  // namespace

Engine ClusterEngine(const std::vector<v1::TrainerCapabilities>& trainers,
                     std::string_view device) {
  Engine engine = Engines().front();
  std::optional<Accepted> accepts;
  std::map<std::string, std::string> notes;
  for (const v1::TrainerCapabilities& trainer : trainers) {
    Accepted rows = RowsOf(trainer, device);
    if (rows.empty()) continue;
    const std::map<std::string, std::string> without(trainer.without_effect().begin(),
                                                     trainer.without_effect().end());
    if (accepts) {
      accepts = Either(std::move(*accepts), rows);
      std::erase_if(notes, [&](const auto& note) { return !without.contains(note.first); });
    } else {
      accepts = std::move(rows);
      notes = without;
    }
  }
  if (!accepts) return engine;
  if (const auto optimizations = accepts->find(kOptimizations); optimizations != accepts->end()) {
    engine.optimizations = std::move(optimizations->second);
    accepts->erase(optimizations);
  } else {
    engine.optimizations = schema::FindParameter(kOptimizations)->tokens;
  }
  engine.accepts = std::move(*accepts);
  engine.notes = std::move(notes);
  return engine;
}

ClusterEngines MakeClusterEngines(const std::vector<v1::TrainerCapabilities>& trainers) {
  return {ClusterEngine(trainers, "cpu"), ClusterEngine(trainers, "cuda")};
}

}  // namespace lathe::providers
