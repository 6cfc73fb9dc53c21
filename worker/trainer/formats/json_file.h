#pragma once
// The small JSON files beside a model's or an adapter's weights.

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"

namespace lathe::trainer::formats {

/// kNotFound and the like as ReadFile; kInvalidArgument, with the path, when it holds anything but
/// one object.
Result<nlohmann::json> ReadJsonObject(const std::filesystem::path& path);

}  // namespace lathe::trainer::formats
