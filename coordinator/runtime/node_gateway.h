#pragma once
// The loop's way to the workers' streams and to engines. Implemented by coordinator/sessions and
// coordinator/engine_jobs.

#include <cstdint>
#include <string>

#include "common/domain/ids.h"
#include "coordinator/core/effects.h"

namespace lathe::runtime {

/// A core::StartAttempt with what only the store knows.
struct StartOrder {
  core::StartAttempt start;
  std::string configuration;        ///< the bytes behind spec.configuration_hash; secrets sealed
  std::uint64_t reported_step = 0;  ///< the highest step whose metric is stored
};

class NodeGateway {
 public:
  virtual ~NodeGateway() = default;

  // All three return at once and do nothing when that stream is over. Any command but StartAttempt,
  // which comes as a StartOrder.
  virtual void Send(domain::SessionId session, const core::NodeCommand& command) = 0;
  virtual void Start(domain::SessionId session, const StartOrder& order) = 0;
  virtual void Close(domain::SessionId session, const std::string& reason) = 0;
};

}  // namespace lathe::runtime
