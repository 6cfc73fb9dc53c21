#pragma once
// Blobs in a local folder, each named by the SHA-256 of its bytes: FOLDER/ab/abcdef… A blob is
// written to FOLDER/tmp, checked, fsynced and renamed, so a name that exists always holds the
// whole, right content, whatever was killed. Blobs are never changed.
//
// Thread-safe; several processes may share a folder. A BlobWriter belongs to one thread.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifacts/sha256.h"
#include "common/base/result.h"
#include "common/base/unique_fd.h"
#include "lathe/v1/artifact.pb.h"

namespace lathe::artifacts {

/// A blob being written. Without Commit the destructor removes what was written.
class BlobWriter {
 public:
  BlobWriter(BlobWriter&& other) noexcept;
  BlobWriter& operator=(BlobWriter&&) = delete;
  ~BlobWriter();

  /// kResourceExhausted when the disk is full.
  Status Append(std::string_view bytes);
  std::uint64_t size() const { return size_; }

  /// Publishes the blob under the hash of what was appended.
  Result<v1::Blob> Commit();
  /// As above, but kDataLoss and nothing stored when size or hash are not the expected ones.
  Result<v1::Blob> Commit(const v1::Blob& expected);

 private:
  friend class BlobStore;
  BlobWriter(std::filesystem::path root, std::filesystem::path temporary, UniqueFd fd);

  Result<v1::Blob> Publish(const v1::Blob& blob);

  std::filesystem::path root_;
  std::filesystem::path temporary_;  // empty once published
  UniqueFd fd_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

class BlobStore {
 public:
  /// Uses the folder, making it when it is not there, and removes what an earlier process left half
  /// written more than a day ago.
  static Result<BlobStore> Open(const std::filesystem::path& root);

  Result<BlobWriter> Write() const;
  Result<v1::Blob> PutBytes(std::string_view bytes) const;
  Result<v1::Blob> PutFile(const std::filesystem::path& path) const;

  bool Has(std::string_view sha256) const;
  /// Name and size. kNotFound for an unknown blob and for what is no hash at all.
  Result<v1::Blob> Describe(std::string_view sha256) const;
  /// The file to read, never to write. kNotFound as above.
  Result<std::filesystem::path> PathOf(std::string_view sha256) const;
  /// Those of the given names that are not stored, in the same order, each once.
  std::vector<std::string> Missing(std::span<const std::string> names) const;

  const std::filesystem::path& root() const { return root_; }

 private:
  explicit BlobStore(std::filesystem::path root) : root_(std::move(root)) {}
  std::filesystem::path root_;
};

}  // namespace lathe::artifacts
