#pragma once
// Bottleneck adapters in the layout of the Python library AdapterHub ("adapters"):
// adapter_config.json and adapter.safetensors. The mathematics is in model/bottleneck.h.

#include <filesystem>
#include <string>

#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

struct BottleneckSettings {
  std::int64_t size = 64;
  bool attention = false;  ///< a module for what attention adds
  bool mlp = true;         ///< a module for what the feed-forward layer adds
  model::BottleneckInput input = model::BottleneckInput::kAddedAndStream;
  model::BottleneckActivation activation = model::BottleneckActivation::kRelu;
  double scale = 1;

  bool operator==(const BottleneckSettings&) const = default;
};

/// AdapterHub's seq_bn, double_seq_bn and par_bn, whose papers are known as "pfeiffer", "houlsby"
/// and "parallel". variant must be one of the latter.
BottleneckSettings BottleneckVariant(const std::string& variant, std::int64_t size);

/// Drawn from the seed as AdapterHub draws it, but with zeros in the up-projections: it begins as
/// the base.
Trainable StartBottleneck(const model::Decoder& decoder, const BottleneckSettings& settings,
                          std::uint64_t seed);

/// The settings in a folder's adapter_config.json. kInvalidArgument names what is not supported.
Result<BottleneckSettings> ReadBottleneckSettings(const model::Decoder& decoder,
                                                  const std::filesystem::path& folder);

/// A saved adapter for inference. kInvalidArgument names what is not supported, or does not fit.
Result<model::Additions> LoadBottleneck(const model::Decoder& decoder,
                                        const std::filesystem::path& folder);

}  // namespace lathe::trainer::adapters
