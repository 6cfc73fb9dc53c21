#pragma once
// What the scheduler wants. The core checks it against the present before it acts.

#include <cstdint>
#include <vector>

#include "common/domain/ids.h"

namespace lathe::scheduler {

struct Placement {
  domain::JobId job;
  domain::NodeId node;
  std::vector<std::uint32_t> gpus;  ///< indices, growing; empty: on CPU slots
  friend bool operator==(const Placement&, const Placement&) = default;
};

struct Plan {
  std::vector<Placement> placements;  ///< in the order of the queue
};

}  // namespace lathe::scheduler
