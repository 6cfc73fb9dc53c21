#pragma once
// From the method of a plan to what the run trains. Private to this room.

#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/model/decoder.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::trainer::loop {

/// Initialised from the plan's seed or initial adapter. kInvalidArgument when the method does not
/// fit the model.
Result<adapters::Trainable> StartTrainable(const plan::Plan& plan, model::Decoder& decoder);

}  // namespace lathe::trainer::loop
