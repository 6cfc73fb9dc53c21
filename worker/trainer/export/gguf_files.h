#pragma once
// What a Hugging Face folder needs beside the weights, made from a GGUF file's metadata.

#include <c10/core/ScalarType.h>

#include <filesystem>
#include <map>
#include <string>

#include "common/base/result.h"
#include "worker/trainer/model/description.h"

namespace lathe::trainer::exporting {

/// Contents by name: config.json, generation_config.json and, where the file has a tokenizer,
/// tokenizer.json and tokenizer_config.json.
using FilesOfGguf = std::map<std::string, std::string>;

/// For weights of a type. kInvalidArgument says what of the file cannot be told there.
Result<FilesOfGguf> MakeFilesOfGguf(const std::filesystem::path& gguf,
                                    const model::ModelDescription& description,
                                    c10::ScalarType type);

}  // namespace lathe::trainer::exporting
