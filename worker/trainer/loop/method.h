#pragma once
// From the method of a plan to what the run trains. Private to this room.

#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/data/example.h"
#include "worker/trainer/model/decoder.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::trainer::loop {

/// How long a sequence can be for the decoder, with what the method puts in front and
/// evaluations generate behind.
std::int64_t MaxPositions(const plan::Plan& plan);

/// What the base is to be loaded as: full fine-tuning keeps its fp32 values as they are.
at::ScalarType LoadedType(const plan::Plan& plan);

/// Initialised from the plan's seed or initial adapter. kInvalidArgument when the method does not
/// fit the model. The decoder must stay where it is; full fine-tuning changes its weights.
///
/// A prefix starts as the keys and values that the base computes of the first tokens of the
/// training examples, one after another from the one that the seed draws.
Result<adapters::Trainable> StartTrainable(const plan::Plan& plan,
                                           const std::vector<data::Example>& examples,
                                           model::Decoder& decoder);

}  // namespace lathe::trainer::loop
