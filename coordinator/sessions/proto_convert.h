#pragma once
// Between the wire's messages and the core's values. What comes from a worker is checked here, so
// that nothing malformed reaches the core. Pure; kInvalidArgument says what was wrong.

#include <string>

#include "common/base/result.h"
#include "common/domain/artifact.h"
#include "common/domain/attempt.h"
#include "common/domain/lease.h"
#include "common/domain/node.h"
#include "coordinator/core/effects.h"
#include "coordinator/runtime/node_gateway.h"
#include "lathe/v1/artifact.pb.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::sessions {

/// What this coordinator speaks.
constexpr std::uint32_t kProtocolVersion = 1;

v1::Manifest ToProto(const domain::Manifest& manifest);
v1::NodeResources ToProto(const domain::NodeResources& resources);
v1::ResourceRequest ToProto(const domain::ResourceRequest& request);

Result<domain::NodeDescription> ToDescription(const v1::Registration& registration);
Result<domain::AttemptReport> ToReport(const v1::AttemptReport& report);
Result<domain::Checkpoint> ToCheckpoint(const v1::CheckpointReport& report);

v1::CoordinatorMessage MakeWelcome(const domain::LeaseTerms& terms);
v1::CoordinatorMessage ToMessage(const core::AcknowledgeHeartbeat& acknowledge);
v1::CoordinatorMessage ToMessage(const core::StopAttempt& stop);
v1::CoordinatorMessage ToMessage(const core::AcknowledgeReport& acknowledge);
/// The configuration is resolved here and loses its secrets; `node` tells how many cores a CPU slot
/// has.
Result<v1::CoordinatorMessage> ToMessage(const runtime::StartOrder& order,
                                         const domain::NodeResources& node);

}  // namespace lathe::sessions
