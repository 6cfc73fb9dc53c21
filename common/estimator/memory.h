#pragma once
// Peak memory of a training process, part by part, from what the trainer keeps: weights in the
// compute type, fp32 values, gradients and moments of what is trained, the tape of one micro-batch
// and what the widest moment of the backward pass adds to it. Pure. All in bytes.

#include "common/estimator/machine.h"
#include "common/estimator/shape.h"
#include "common/estimator/workload.h"

namespace lathe::estimator {

struct Memory {
  double weights = 0;
  double trainable = 0;  ///< values of what is trained, with their copies in the compute type
  double gradients = 0;
  double optimizer = 0;
  double activations = 0;  ///< what the forward pass keeps for the backward pass
  double working = 0;      ///< on top of that at the widest moment: logits, one layer's gradients
  double base = 0;         ///< the process itself
  double total = 0;
};

/// Parameters that the method trains.
double TrainableParameters(const ModelShape& shape, const MethodSettings& method);

/// Tokens of the largest micro-batch.
double LargestMicroBatch(const Workload& workload);

/// Whether a process keeps frozen weights of so many bytes in a second order for its backward
/// passes: where they are at most an eighth of the memory.
bool AffordsPackedWeights(double bytes, double memory_bytes);

Memory EstimateMemory(const ModelShape& shape, const Workload& workload, const Machine& machine);

}  // namespace lathe::estimator
