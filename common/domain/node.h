#pragma once
// A worker's machine, or an engine beyond the cluster, as it is stored. What it holds at the moment
// follows from the jobs.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/ids.h"
#include "common/domain/resources.h"

namespace lathe::domain {

/// Persisted and equal to lathe.v1.NodeState: never renumber.
enum class NodeState : std::uint8_t {
  kReady = 1,
  kLost = 2,  ///< silent for longer than its lease: its jobs went elsewhere
};
std::string_view ToString(NodeState state);

/// What a worker says of itself when it registers.
struct NodeDescription {
  NodeId id;
  std::string hostname;
  std::string worker_version;
  NodeResources resources;
  std::vector<std::string> models;  ///< names of the base models it has, sorted
  /// Not a machine but the way to this engine: its jobs run elsewhere and go on whether or not
  /// anybody here looks. Empty: a worker's machine.
  std::string engine;
  friend bool operator==(const NodeDescription&, const NodeDescription&) = default;
};

struct Node {
  NodeDescription description;
  std::uint64_t revision = 0;
  NodeState state = NodeState::kReady;
  std::string reason;   ///< one sentence, always set
  Instant last_seen{};  ///< of the last stored change; heartbeats between are not stored

  const NodeId& id() const { return description.id; }
  friend bool operator==(const Node&, const Node&) = default;
};

}  // namespace lathe::domain
