#pragma once
// The composition root: makes the parts, hands them to each other, starts and stops them in order.

#include "coordinator/config.h"
#include "coordinator/stop_signal.h"

namespace lathe::coordinator {

/// Serves until told to stop. The process's exit code: 0 stopped, 1 failed, 5 the store can't be
/// reached. What went wrong is printed to standard error.
int RunCoordinator(const Config& config, StopSignal& stop);

}  // namespace lathe::coordinator
