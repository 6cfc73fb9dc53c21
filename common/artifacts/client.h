#pragma once
// A coordinator's blobs from afar: what the worker and the command line do over ArtifactService.
// Blocking calls; each is safe to repeat after any error. Thread-safe.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "common/artifacts/manifest.h"
#include "common/base/result.h"
#include "lathe/v1/artifact.pb.h"

namespace grpc {
class Channel;
}

namespace lathe::artifacts {

class Client {
 public:
  explicit Client(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}

  /// Stores the file's bytes unless the coordinator has them already.
  Result<v1::Blob> UploadFile(const std::filesystem::path& path) const;
  /// As above, for bytes in memory.
  Result<v1::Blob> UploadBytes(std::string_view bytes) const;
  /// Stores every file below the folder that the coordinator lacks; its manifest.
  Result<v1::Manifest> UploadFolder(const std::filesystem::path& folder) const;

  /// Writes the blob to `target`, which is complete and right when this succeeds. What an earlier,
  /// interrupted call has received (TARGET.part) is not asked for again. kNotFound for an unknown
  /// blob, kDataLoss when the bytes that came are not the blob.
  Status Download(const v1::Blob& blob, const std::filesystem::path& target) const;
  /// All files of a manifest; the folder appears complete or not at all.
  Status DownloadFolder(const v1::Manifest& manifest, const std::filesystem::path& folder) const;

 private:
  // Shared with the caller's other stubs; a channel is meant to be.
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace lathe::artifacts
