#pragma once
// Which linear layers of a decoder the settings of an adapter mean.

#include "worker/trainer/adapters/lora.h"

namespace lathe::trainer::adapters {

/// In the order of the decoder, without storage. See LoraAdapter::Create for errors.
Result<std::vector<LoraModule>> SelectModules(const model::Decoder& decoder,
                                              const LoraSettings& settings);

}  // namespace lathe::trainer::adapters
