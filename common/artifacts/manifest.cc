#include "common/artifacts/manifest.h"

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "common/artifacts/sha256.h"
#include "common/base/file_io.h"

namespace lathe::artifacts {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::size_t kMaxPath = 1024;

Error BadPath(std::string_view path, std::string_view why) {
  return Error{ErrorCode::kInvalidArgument,
               "path \"" + std::string(path) + "\" in a manifest " + std::string(why) +
                   "; it must be relative and stay in its folder.",
               {}};
}

Status SyncTree(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.is_directory()) LATHE_RETURN_IF_ERROR(SyncFolder(entry.path()));
  }
  if (error) return Failure(FileError("read", folder, error.value()));
  return SyncFolder(folder);
}

Status Fill(const v1::Manifest& manifest, const fs::path& folder, const FetchBlob& fetch) {
  for (const auto& file : manifest.files()) {
    const fs::path target = folder / file.path();
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    if (error) return Failure(FileError("create", target.parent_path(), error.value()));
    LATHE_RETURN_IF_ERROR(fetch(file.blob(), target));
  }
  return SyncTree(folder);
}

}  // namespace

Status CheckRelativePath(std::string_view path) {
  if (path.empty() || path.size() > kMaxPath) return Failure(BadPath(path, "is empty or too long"));
  if (path.find('\0') != path.npos || path.find('\\') != path.npos) {
    return Failure(BadPath(path, "holds a NUL or a backslash"));
  }
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return Failure(BadPath(path, "has an empty, \".\" or \"..\" part"));
    }
    begin = end + 1;
  }
  return {};
}

Status CheckManifest(const v1::Manifest& manifest) {
  std::set<std::string> files;
  for (const auto& file : manifest.files()) {
    LATHE_RETURN_IF_ERROR(CheckRelativePath(file.path()));
    if (!IsSha256(file.blob().sha256())) return Failure(BadPath(file.path(), "has no valid hash"));
    if (!files.insert(file.path()).second) return Failure(BadPath(file.path(), "occurs twice"));
  }
  for (const std::string& file : files) {
    const auto inside = files.lower_bound(file + "/");
    if (inside != files.end() && inside->starts_with(file + "/")) {
      return Failure(BadPath(file, "is a file and a folder"));
    }
  }
  return {};
}

std::string ManifestText(const v1::Manifest& manifest) {
  Json files = Json::array();
  for (const auto& file : manifest.files()) {
    files.push_back({{"path", file.path()},
                     {"sha256", file.blob().sha256()},
                     {"size", file.blob().size_bytes()}});
  }
  return Json{{"files", std::move(files)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<v1::Manifest> ParseManifest(std::string_view text) {
  const auto bad = [](const char* what) {
    return Failure(ErrorCode::kInvalidArgument, std::string("is no manifest: ") + what);
  };
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("files") || !json["files"].is_array()) {
    return bad("it must be a JSON object with a list \"files\"");
  }
  v1::Manifest manifest;
  for (const Json& entry : json["files"]) {
    const Json path = entry.is_object() ? entry.value("path", Json()) : Json();
    const Json hash = entry.is_object() ? entry.value("sha256", Json()) : Json();
    const Json size = entry.is_object() ? entry.value("size", Json()) : Json();
    if (!path.is_string() || !hash.is_string() || !size.is_number_unsigned()) {
      return bad("each file needs a path, a sha256 and a size");
    }
    auto* file = manifest.add_files();
    file->set_path(path.get<std::string>());
    file->mutable_blob()->set_sha256(hash.get<std::string>());
    file->mutable_blob()->set_size_bytes(size.get<std::uint64_t>());
  }
  LATHE_RETURN_IF_ERROR(CheckManifest(manifest));
  return manifest;
}

Result<v1::Manifest> DescribeFolder(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> paths;
  fs::recursive_directory_iterator entries(folder, error);
  if (error) return Failure(FileError("read", folder, error.value()));
  for (const auto& entry : entries) {
    if (entry.is_symlink()) {
      return Failure(ErrorCode::kInvalidArgument,
                     entry.path().string() + " is a symbolic link; only files can be stored.");
    }
    if (entry.is_regular_file()) paths.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(paths.begin(), paths.end());
  v1::Manifest manifest;
  for (const std::string& path : paths) {
    LATHE_RETURN_IF_ERROR(CheckRelativePath(path));
    LATHE_ASSIGN_OR_RETURN(v1::Blob blob, DescribeFile(folder / path));
    auto* file = manifest.add_files();
    file->set_path(path);
    *file->mutable_blob() = std::move(blob);
  }
  return manifest;
}

Status Materialise(const v1::Manifest& manifest, const fs::path& folder, const FetchBlob& fetch) {
  LATHE_RETURN_IF_ERROR(CheckManifest(manifest));
  std::error_code error;
  if (fs::exists(folder, error)) {
    return Failure(ErrorCode::kAlreadyExists, folder.string() + " exists already");
  }
  fs::path partial = folder;
  partial += ".partial";
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return Failure(FileError("create", partial, error.value()));
  if (auto filled = Fill(manifest, partial, fetch); !filled) {
    fs::remove_all(partial, error);
    return filled;
  }
  fs::rename(partial, folder, error);
  if (error) return Failure(FileError("rename to", folder, error.value()));
  return SyncFolder(folder.has_parent_path() ? folder.parent_path() : fs::path("."));
}

}  // namespace lathe::artifacts
