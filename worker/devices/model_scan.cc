#include "worker/devices/model_scan.h"

#include <algorithm>
#include <system_error>

namespace lathe::worker::devices {

namespace fs = std::filesystem;

namespace {

// A name travels as text and is typed by people.
bool IsUsableName(const std::string& name) {
  return !name.empty() && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

Result<std::map<std::string, fs::path>> ScanModels(const fs::path& folder) {
  std::map<std::string, fs::path> models;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path path = entry->path();
    std::error_code ignored;
    if (!IsUsableName(path.filename().string())) continue;
    if (fs::is_regular_file(path / "config.json", ignored)) {
      models[path.filename().string()] = path;
    } else if (path.extension() == ".gguf" && fs::is_regular_file(path, ignored)) {
      models.emplace(path.stem().string(), path);
    }
  }
  if (error) {
    return Failure(ErrorCode::kInvalidArgument,
                   "models_dir: cannot read " + folder.string() + " (" + error.message() +
                       "); give the folder that holds *.gguf files and model folders");
  }
  return models;
}

}  // namespace lathe::worker::devices
