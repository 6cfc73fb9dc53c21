#pragma once
// Full fine-tuning: every weight of a decoder is trained.

#include <functional>

#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

/// Moves the weights of a decoder, which are fp32, into one flat tensor, one at a time, so that
/// they exist twice for one weight only. With compute fp32 the decoder computes with the parameters
/// themselves; with bf16 its weights become copies of that type. `save` writes the decoder as it
/// then is. The decoder must stay where it is.
Trainable MakeFull(model::Decoder& decoder, at::ScalarType compute,
                   std::function<Status(const std::filesystem::path& folder)> save);

}  // namespace lathe::trainer::adapters
