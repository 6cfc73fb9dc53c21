#pragma once
// LoRA adapters in the layout of the Python library PEFT: adapter_config.json and
// adapter_model.safetensors. Written folders load there and in vLLM.

#include <filesystem>
#include <string>

#include "common/base/result.h"
#include "worker/trainer/adapters/lora.h"
#include "worker/trainer/adapters/trainable.h"

namespace lathe::trainer::adapters {

/// Writes both files into an existing folder, durably. base_model is what
/// base_model_name_or_path becomes.
Status WritePeft(const LoraAdapter& adapter, const std::string& base_model,
                 const std::filesystem::path& folder);

/// The settings in a folder's adapter_config.json. kInvalidArgument for another method than LoRA,
/// or for an option (fully saved modules, biases of matrices) that changes what they mean.
Result<LoraSettings> ReadPeftSettings(const std::filesystem::path& folder);

/// Copies a folder's matrices into an adapter of the same modules and ranks. kInvalidArgument names
/// every tensor that is missing, surplus or of another shape; the adapter is then unchanged.
Status ReadPeftWeights(const std::filesystem::path& folder, LoraAdapter& adapter);

/// The same adapter as a run needs it: views have the names of the file, and it is saved as a PEFT
/// folder.
Trainable ToTrainable(const LoraAdapter& adapter);

/// A folder's adapter for a decoder.
Result<LoraAdapter> LoadPeft(const model::Decoder& decoder, const std::filesystem::path& folder,
                             Purpose purpose);

}  // namespace lathe::trainer::adapters
