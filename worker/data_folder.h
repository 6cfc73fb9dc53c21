#pragma once
// The worker's own folder: held by one daemon at a time, with the node's lasting id.
//
//   jobs/     a folder an attempt         cache/    blobs by hash
//   answers/  files of answers under way  node-id, worker.lock

#include <filesystem>
#include <string>

#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace lathe::worker {

class DataFolder {
 public:
  /// Makes the folders and takes the lock, which ends with the process however that ends; what
  /// answers of an earlier worker have left is removed. kAborted when another worker holds it.
  static Result<DataFolder> Open(const std::filesystem::path& path);

  /// The node's id: `configured` when it is not empty, else the one in data_dir/node-id, which is
  /// made from the host's name and chance the first time.
  Result<std::string> NodeId(const std::string& configured) const;

 private:
  DataFolder(std::filesystem::path path, UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  UniqueFd lock_;
};

}  // namespace lathe::worker
