#include "worker/cache/blob_cache.h"

#include <algorithm>
#include <system_error>
#include <vector>

#include "common/artifacts/manifest.h"
#include "common/artifacts/sha256.h"
#include "common/base/file_io.h"

namespace lathe::worker::cache {
namespace {

namespace fs = std::filesystem;

struct CachedFile {
  fs::path path;
  fs::file_time_type used;
  std::uintmax_t bytes = 0;
};

std::vector<CachedFile> FilesIn(const fs::path& root) {
  std::vector<CachedFile> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    std::error_code gone;
    const CachedFile file{entry.path(), entry.last_write_time(gone), entry.file_size(gone)};
    if (!gone) files.push_back(file);
  }
  return files;
}

}  // namespace

Status BlobCache::Prepare(const fs::path& root) {
  std::error_code error;
  fs::create_directories(root, error);
  if (error) return Failure(FileError("make", root, error.value()));
  return {};
}

Status BlobCache::Fetch(const v1::Blob& blob, const fs::path& target) {
  if (!artifacts::IsSha256(blob.sha256())) {
    return Failure(ErrorCode::kInvalidArgument, "'" + blob.sha256() + "' is no SHA-256");
  }
  // Between the download and the link another thread's eviction may take the blob away.
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    if (LinkCached(blob, target)) return {};
    LATHE_RETURN_IF_ERROR(DownloadOnce(blob));
  }
  if (LinkCached(blob, target)) return {};
  return Failure(ErrorCode::kInternal,
                 "cannot link " + PathOf(blob).string() + " to " + target.string());
}

Status BlobCache::FetchFolder(const v1::Manifest& manifest, const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return {};
  return artifacts::Materialise(
      manifest, folder,
      [this](const v1::Blob& blob, const fs::path& target) { return Fetch(blob, target); });
}

bool BlobCache::LinkCached(const v1::Blob& blob, const fs::path& target) {
  std::error_code error;
  const fs::path cached = PathOf(blob);
  const std::uintmax_t bytes = fs::file_size(cached, error);
  if (error) return false;
  if (bytes != blob.size_bytes()) {
    fs::remove(cached, error);
    return false;
  }
  fs::last_write_time(cached, fs::file_time_type::clock::now(), error);
  fs::remove(target, error);
  fs::create_hard_link(cached, target, error);
  if (!error) return true;
  // Another file system: a copy does as well.
  fs::copy_file(cached, target, fs::copy_options::overwrite_existing, error);
  return !error;
}

Status BlobCache::DownloadOnce(const v1::Blob& blob) {
  std::promise<Status> promise;
  std::shared_future<Status> running;
  {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(blob.sha256());
    if (found != running_.end()) running = found->second;
    if (!running.valid()) running_[blob.sha256()] = promise.get_future().share();
  }
  if (running.valid()) return running.get();
  Status status = download_(blob, PathOf(blob));
  if (status) Evict(blob.sha256());
  promise.set_value(status);
  const std::lock_guard lock(mutex_);
  running_.erase(blob.sha256());
  return status;
}

void BlobCache::Evict(const std::string& keep) {
  std::vector<CachedFile> files = FilesIn(root_);
  std::uintmax_t total = 0;
  for (const CachedFile& file : files) total += file.bytes;
  std::sort(files.begin(), files.end(),
            [](const CachedFile& a, const CachedFile& b) { return a.used < b.used; });
  for (const CachedFile& file : files) {
    if (total <= max_bytes_) return;
    // Not what was just fetched, and no download under way (NAME.part).
    if (file.path.filename() == keep || file.path.has_extension()) continue;
    std::error_code error;
    if (fs::remove(file.path, error)) total -= file.bytes;
  }
}

std::uint64_t BlobCache::SizeBytes() const {
  std::uint64_t total = 0;
  for (const CachedFile& file : FilesIn(root_)) total += file.bytes;
  return total;
}

}  // namespace lathe::worker::cache
