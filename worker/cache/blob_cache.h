#pragma once
// Datasets, adapters and checkpoints by hash on the node's disk, so that the next attempt and the
// next job find them. A user of a blob gets a hard link of its own: removing the oldest blobs when
// the limit is reached takes nothing from a running trainer. Thread-safe; concurrent requests for
// one blob share one download.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>

#include "common/base/result.h"
#include "lathe/v1/artifact.pb.h"

namespace lathe::worker::cache {

class BlobCache {
 public:
  /// Writes a blob to a path, checked against its hash; blocking.
  using Download = std::function<Status(const v1::Blob&, const std::filesystem::path&)>;

  /// Uses `root`, which is made when it is not there.
  static Status Prepare(const std::filesystem::path& root);
  BlobCache(std::filesystem::path root, std::uint64_t max_bytes, Download download)
      : root_(std::move(root)), max_bytes_(max_bytes), download_(std::move(download)) {}

  /// Puts the blob at `target`, replacing what is there. The file is shared: read, never written.
  Status Fetch(const v1::Blob& blob, const std::filesystem::path& target);
  /// The same for all files of a manifest: `folder` appears complete or not at all. A folder that
  /// exists is taken as it is.
  Status FetchFolder(const v1::Manifest& manifest, const std::filesystem::path& folder);

  std::uint64_t SizeBytes() const;

 private:
  std::filesystem::path PathOf(const v1::Blob& blob) const { return root_ / blob.sha256(); }
  bool LinkCached(const v1::Blob& blob, const std::filesystem::path& target);
  Status DownloadOnce(const v1::Blob& blob);
  void Evict(const std::string& keep);

  const std::filesystem::path root_;
  const std::uint64_t max_bytes_;
  const Download download_;
  std::mutex mutex_;  // guards running_
  std::map<std::string, std::shared_future<Status>> running_;
};

}  // namespace lathe::worker::cache
