#pragma once
// XXH3 checksums: they tell damage and change, not attackers.

#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace lathe::trainer::checkpoint {

/// 32 hexadecimal digits.
std::string HashOf(std::string_view bytes);
/// Of a whole file.
Result<std::string> HashOfFile(const std::filesystem::path& path);
/// Of a model: names and sizes of its files, and the first megabytes of each, where headers and
/// configurations lie.
Result<std::string> HashOfModel(const std::filesystem::path& model);

}  // namespace lathe::trainer::checkpoint
