#pragma once
// Names that PEFT's layout consists of. Private to this room.

#include <filesystem>
#include <string>

#include "common/base/result.h"
#include "worker/trainer/adapters/lora.h"

namespace lathe::trainer::adapters {

inline constexpr char kConfigFile[] = "adapter_config.json";
inline constexpr char kWeightsFile[] = "adapter_model.safetensors";
inline const std::string kNamePrefix = "base_model.model.";
inline const std::string kSuffixA = ".lora_A.weight";
inline const std::string kSuffixB = ".lora_B.weight";
inline const std::string kSuffixMagnitude = ".lora_magnitude_vector";

Status WritePeftWeights(const LoraAdapter& adapter, const std::filesystem::path& folder);

}  // namespace lathe::trainer::adapters
