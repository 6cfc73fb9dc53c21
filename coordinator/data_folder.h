#pragma once
// The coordinator's own folder: blobs, its name, and a lock that keeps a second process out.

#include <filesystem>
#include <string>

#include "common/artifacts/blob_store.h"
#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace lathe::coordinator {

struct DataFolder {
  UniqueFd lock;         ///< held until the process ends, however it ends
  std::string identity;  ///< stable over restarts, no other coordinator has it
  artifacts::BlobStore blobs;
};

/// Makes the folder when it is not there. kFailedPrecondition when another process uses it; errors
/// name the folder.
Result<DataFolder> OpenDataFolder(const std::filesystem::path& folder);

}  // namespace lathe::coordinator
