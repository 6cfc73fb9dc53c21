#pragma once
// Activation offloading: what a layer keeps for its backward pass waits in pinned host memory
// instead of the device's. Copies are asynchronous and in the order of the device's stream, so that
// the host never waits for them. Tensors that already are on the host stay as they are.

#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::model {

/// The large tensors of a tape, to the host.
void Offload(LayerTape& tape);
/// And back, to where the decoder is.
void Fetch(LayerTape& tape, const at::Device& device);

}  // namespace lathe::trainer::model
