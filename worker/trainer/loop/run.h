#pragma once
// `lathe-trainer run`: a plan from its first step, or from its newest checkpoint, to its adapter,
// with everything told in the event log.

#include <memory>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "worker/trainer/distributed/group.h"
#include "worker/trainer/loop/event_log.h"
#include "worker/trainer/loop/stop_signals.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::trainer::loop {

enum class Outcome { kSucceeded, kInterrupted };

/// Every process of the group runs the same plan; the one that leads writes, the others' logs are
/// silent. The caller holds the output folder's lock. The last event is `succeeded` or
/// `interrupted`; on an error it is the caller who appends `failed`. A job that had succeeded
/// before returns at once.
Result<Outcome> Run(const plan::Plan& plan, std::shared_ptr<const distributed::Group> group,
                    EventLog& log, StopSignals& signals, const Clock& clock);

}  // namespace lathe::trainer::loop
