#pragma once
// What an engine can do, for forms and people: its description seen against the schema and, for
// this cluster, against the nodes that are present. Pure and thread-safe.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/providers/engine.h"

namespace lathe::providers {

/// What the coordinator knows besides the description.
struct Surroundings {
  // Of this cluster: what the nodes that registered have.
  bool any_node = false;
  std::uint32_t most_gpus = 0;  ///< on one node
  std::vector<std::string> models;
  // Of a service: whether the coordinator has a key for it.
  bool has_key = false;
};

struct Limit {
  std::vector<std::string> tokens;  ///< empty: all of the schema's
  Range range;
  std::size_t max_length = 0;  ///< 0: no limit
};

struct Capabilities {
  bool can_start = true;
  std::string reason;
  std::vector<std::string> methods;
  std::vector<std::string> objectives;
  std::vector<std::string> precisions;
  std::map<std::string, Limit> limits;
  std::vector<std::string> unsupported;
  std::vector<std::string> required;
  std::vector<std::string> models;
};

Capabilities DescribeCapabilities(const Engine& engine, const Surroundings& surroundings);

}  // namespace lathe::providers
