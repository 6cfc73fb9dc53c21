#pragma once
// The base models of a node: what lies directly below its models folder. Thread-safe functions.

#include <filesystem>
#include <map>
#include <string>

#include "common/base/result.h"

namespace lathe::worker::devices {

/// Name → path: every NAME.gguf file, and every folder NAME with a config.json. Of two with one
/// name the folder is taken. Errors name the folder and the configuration key.
Result<std::map<std::string, std::filesystem::path>> ScanModels(
    const std::filesystem::path& folder);

}  // namespace lathe::worker::devices
