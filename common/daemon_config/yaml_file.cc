#include "common/daemon_config/yaml_file.h"

#include <yaml-cpp/yaml.h>

#include <set>

#include "common/base/file_io.h"

namespace lathe::daemon_config {
namespace {

constexpr std::uintmax_t kMaxFileBytes = 1 << 20;

Error BadFile(const std::filesystem::path& path, int line, const std::string& what) {
  return Error{
      ErrorCode::kInvalidArgument, path.string() + ":" + std::to_string(line) + ": " + what, {}};
}

class Flattener {
 public:
  explicit Flattener(const std::filesystem::path& path) : path_(path) {}

  Status Flatten(const YAML::Node& map, const std::string& prefix) {
    for (const auto& entry : map) {
      const std::string key = prefix + entry.first.as<std::string>();
      LATHE_RETURN_IF_ERROR(Take(key, entry.first.Mark().line + 1, entry.second));
    }
    return {};
  }
  std::vector<FileValue> values;

 private:
  Status Take(const std::string& key, int line, const YAML::Node& value) {
    if (value.IsMap()) return Flatten(value, key + ".");
    if (value.IsSequence()) return Failure(BadFile(path_, line, key + " must be one value."));
    if (!seen_.insert(key).second) return Failure(BadFile(path_, line, key + " is given twice."));
    values.push_back({key, value.IsNull() ? "" : value.Scalar(), line});
    return {};
  }

  const std::filesystem::path& path_;
  std::set<std::string> seen_;
};

}  // namespace

Result<std::vector<FileValue>> ReadYamlFile(const std::filesystem::path& path) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  try {
    const YAML::Node root = YAML::Load(text);
    Flattener flattener(path);
    if (root.IsNull()) return flattener.values;
    if (!root.IsMap()) return Failure(BadFile(path, 1, "expected \"key: value\" lines."));
    LATHE_RETURN_IF_ERROR(flattener.Flatten(root, ""));
    return flattener.values;
  } catch (const YAML::Exception& e) {
    return Failure(BadFile(path, e.mark.line + 1, e.msg));
  }
}

}  // namespace lathe::daemon_config
