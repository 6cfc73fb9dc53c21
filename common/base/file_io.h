#pragma once
// Whole files in and out, durably. Every error names the file.

#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace lathe {

/// The bytes of a file. kNotFound when it does not exist, kResourceExhausted above max_bytes.
Result<std::string> ReadFile(const std::filesystem::path& path,
                             std::uintmax_t max_bytes = std::uintmax_t{1} << 30);

/// Writes to a temporary name beside the target, fsyncs, renames and fsyncs the folder: after a
/// crash the file has its old or its new content. kResourceExhausted when the disk is full.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes);

/// Makes a folder's entries (renames, new files) durable.
Status SyncFolder(const std::filesystem::path& folder);

/// The Error of a failed system call on a file; ENOSPC and EDQUOT become kResourceExhausted,
/// ENOENT kNotFound, EACCES kPermissionDenied.
Error FileError(std::string_view action, const std::filesystem::path& path, int error_number);

}  // namespace lathe
