#pragma once
// Which linear layers of a decoder the settings of an adapter mean.

#include "worker/trainer/adapters/lora.h"

namespace lathe::trainer::adapters {

/// In the order of the decoder, without storage. See LoraAdapter::Create for errors.
Result<std::vector<LoraModule>> SelectModules(const model::Decoder& decoder,
                                              const LoraSettings& settings);

/// A layer of that name as the settings have it: rank, alpha and scale.
LoraModule DescribeModule(const std::string& name, const LoraSettings& settings);

/// The biases to train, in the order of the decoder, without storage.
std::vector<LoraBias> SelectBiases(const model::Decoder& decoder,
                                   const std::vector<LoraModule>& modules, BiasTraining training);

}  // namespace lathe::trainer::adapters
