#pragma once
// A configuration file flattened to dotted keys. Internal to this room.

#include <filesystem>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace lathe::daemon_config {

struct FileValue {
  std::string key;  ///< "tls.cert"
  std::string text;
  int line = 0;  ///< from 1
};

/// Every scalar of the file, in its order. kInvalidArgument, with the line, for what is not YAML,
/// a list, or a key given twice; an empty file has no values.
Result<std::vector<FileValue>> ReadYamlFile(const std::filesystem::path& path);

}  // namespace lathe::daemon_config
