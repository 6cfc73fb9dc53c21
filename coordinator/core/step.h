#pragma once
// The functional core of the coordinator: one event in, changed state and an outcome out. Pure: no
// I/O, clock, thread or randomness. What the caller owes is said in effects.h.

#include "coordinator/core/effects.h"
#include "coordinator/core/events.h"
#include "coordinator/core/state.h"

namespace lathe::core {

Outcome Step(State& state, Event event, const Now& now);

}  // namespace lathe::core
