#include "common/base/temp_dir.h"

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace lathe {

Result<TempDir> TempDir::Create(std::string_view prefix) {
  return CreateIn(std::filesystem::temp_directory_path(), prefix);
}

Result<TempDir> TempDir::CreateIn(const std::filesystem::path& parent, std::string_view prefix) {
  std::string name = (parent / prefix).string() + "-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    return Failure(ErrorCode::kInternal, "cannot create a temporary folder " + name + ": " +
                                             std::generic_category().message(errno));
  }
  return TempDir(name);
}

TempDir::TempDir(TempDir&& other) noexcept : path_(std::move(other.path_)) {
  other.path_.clear();
}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace lathe
