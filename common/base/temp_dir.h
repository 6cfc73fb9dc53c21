#pragma once
// A fresh folder that is removed, with all it holds, when the owner goes.

#include <filesystem>
#include <string_view>

#include "common/base/result.h"

namespace lathe {

class TempDir {
 public:
  /// A new folder under $TMPDIR (or /tmp), readable by this user only.
  static Result<TempDir> Create(std::string_view prefix = "lathe");
  /// The same in a folder that exists.
  static Result<TempDir> CreateIn(const std::filesystem::path& parent, std::string_view prefix);

  TempDir(TempDir&& other) noexcept;
  TempDir& operator=(TempDir&& other) noexcept;
  ~TempDir();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace lathe
