#pragma once
// AdapterHub's adapter_config.json. Private to this room.

#include <filesystem>
#include <string>

#include "common/base/result.h"
#include "worker/trainer/adapters/bottleneck.h"

namespace lathe::trainer::adapters {

/// What the file says beside the settings.
struct SavedBottleneck {
  BottleneckSettings settings;
  std::string name;  ///< of the adapter: a part of its tensors' names
};

std::string WriteBottleneckConfig(const model::Decoder& decoder, const SavedBottleneck& saved,
                                  const std::string& base_model);

Result<SavedBottleneck> ReadBottleneckConfig(const std::filesystem::path& file,
                                             std::int64_t hidden);

}  // namespace lathe::trainer::adapters
