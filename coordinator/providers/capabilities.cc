#include "coordinator/providers/capabilities.h"

#include <algorithm>

#include "common/schema/parameters.h"

namespace lathe::providers {
namespace {

/// Whether the path has a place in some case.
bool HasPlace(const Engine& engine, const std::string& path) {
  if (engine.is_cluster()) return !engine.notes.contains(path);
  const auto is_it = [&](const auto& row) { return row.from == path; };
  if (std::any_of(engine.body.begin(), engine.body.end(), is_it)) return true;
  if (path == "optimizations.enabled") return !engine.optimizations.empty();
  const bool used = std::find(engine.uses.begin(), engine.uses.end(), path) != engine.uses.end();
  return used || (engine.accepts.contains(path) && !engine.notes.contains(path));
}

bool IsListed(const schema::Parameter& parameter) {
  return parameter.path != "metadata" && parameter.path.find("[]") == std::string::npos;
}

/// The tokens of an enumeration that can be asked for; none when the engine decides.
std::vector<std::string> Tokens(const Engine& engine, const std::string& path) {
  const auto accepted = engine.accepts.find(path);
  if (accepted != engine.accepts.end()) return accepted->second;
  if (!HasPlace(engine, path)) return {};
  return schema::FindParameter(path)->tokens;
}

void DescribeCluster(const Surroundings& surroundings, Capabilities& out) {
  out.models = surroundings.models;
  if (!surroundings.any_node) {
    out.can_start = false;
    out.reason = "No node has registered; jobs wait until one does.";
  }
  if (surroundings.most_gpus == 0) {
    out.limits["hardware.device"].tokens = {"auto", "cpu"};
  } else {
    out.limits["hardware.numGPUs"].range.max = surroundings.most_gpus;
  }
}

}  // namespace

Capabilities DescribeCapabilities(const Engine& engine, const Surroundings& surroundings) {
  Capabilities out;
  out.can_start = engine.can_start;
  out.reason = engine.reason;
  out.methods = Tokens(engine, "method.type");
  out.objectives = Tokens(engine, "objective.type");
  out.precisions = Tokens(engine, "model.precision");
  out.models = engine.models;
  for (const auto& [path, tokens] : engine.accepts) out.limits[path].tokens = tokens;
  for (const auto& [path, range] : engine.ranges) out.limits[path].range = range;
  for (const auto& [path, length] : engine.lengths) out.limits[path].max_length = length;
  for (const schema::Parameter& parameter : schema::ParameterPaths()) {
    if (IsListed(parameter) && !HasPlace(engine, parameter.path)) {
      out.unsupported.push_back(parameter.path);
    }
  }
  for (const Requirement& requirement : engine.requirements) {
    if (requirement.if_set.empty()) out.required.push_back(requirement.path);
  }
  for (const CustomParameter& parameter : engine.custom) {
    if (parameter.required) out.required.push_back("metadata." + engine.id + "." + parameter.name);
  }
  if (engine.is_cluster()) {
    DescribeCluster(surroundings, out);
  } else if (out.can_start && !surroundings.has_key) {
    out.can_start = false;
    out.reason = "This coordinator has no key for " + engine.title +
                 ": its operator sets providers." + engine.id + ".api_key_file.";
  }
  return out;
}

}  // namespace lathe::providers
