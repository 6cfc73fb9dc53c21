#include "common/artifacts/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "common/base/file_io.h"

namespace lathe::artifacts {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::hours kStaleAfter{24};

fs::path FolderOf(const fs::path& root, std::string_view sha256) {
  return root / std::string(sha256.substr(0, 2));
}

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Failure(FileError("create", folder, error.value()));
  return {};
}

void RemoveStale(const fs::path& folder) {
  std::error_code error;
  const auto limit = fs::file_time_type::clock::now() - kStaleAfter;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto written = entry.last_write_time(error);
    if (!error && written < limit) fs::remove(entry.path(), error);
  }
}

}  // namespace

BlobWriter::BlobWriter(fs::path root, fs::path temporary, UniqueFd fd)
    : root_(std::move(root)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

BlobWriter::BlobWriter(BlobWriter&& other) noexcept
    : root_(std::move(other.root_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)),
      hash_(std::move(other.hash_)),
      size_(other.size_) {}

BlobWriter::~BlobWriter() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status BlobWriter::Append(std::string_view bytes) {
  hash_.Update(bytes);
  size_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure(FileError("write", temporary_, errno));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<v1::Blob> BlobWriter::Commit() {
  v1::Blob blob;
  blob.set_sha256(hash_.Finish());
  blob.set_size_bytes(size_);
  return Publish(blob);
}

Result<v1::Blob> BlobWriter::Commit(const v1::Blob& expected) {
  v1::Blob blob;
  blob.set_sha256(hash_.Finish());
  blob.set_size_bytes(size_);
  if (blob.sha256() != expected.sha256() || size_ != expected.size_bytes()) {
    return Failure(ErrorCode::kDataLoss,
                   "blob " + expected.sha256() + " of " + std::to_string(expected.size_bytes()) +
                       " bytes arrived as " + blob.sha256() + " of " + std::to_string(size_) +
                       " bytes; nothing was stored, send it again.");
  }
  return Publish(blob);
}

Result<v1::Blob> BlobWriter::Publish(const v1::Blob& blob) {
  if (::fsync(fd_.get()) != 0) return Failure(FileError("fsync", temporary_, errno));
  const fs::path folder = FolderOf(root_, blob.sha256());
  LATHE_RETURN_IF_ERROR(MakeFolder(folder));
  const fs::path target = folder / blob.sha256();
  if (::rename(temporary_.c_str(), target.c_str()) != 0) {
    return Failure(FileError("rename to", target, errno));
  }
  temporary_.clear();
  LATHE_RETURN_IF_ERROR(SyncFolder(folder));
  LATHE_RETURN_IF_ERROR(SyncFolder(root_));
  return blob;
}

Result<BlobStore> BlobStore::Open(const fs::path& root) {
  LATHE_RETURN_IF_ERROR(MakeFolder(root / "tmp"));
  RemoveStale(root / "tmp");
  return BlobStore(root);
}

Result<BlobWriter> BlobStore::Write() const {
  std::string name = (root_ / "tmp" / "XXXXXX").string();
  UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) return Failure(FileError("create", name, errno));
  // mkostemp makes it private to the user; a blob is read by whoever may enter the folder.
  ::fchmod(fd.get(), 0644);
  return BlobWriter(root_, name, std::move(fd));
}

Result<v1::Blob> BlobStore::PutBytes(std::string_view bytes) const {
  LATHE_ASSIGN_OR_RETURN(BlobWriter writer, Write());
  LATHE_RETURN_IF_ERROR(writer.Append(bytes));
  return writer.Commit();
}

Result<v1::Blob> BlobStore::PutFile(const fs::path& path) const {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Failure(FileError("open", path, errno));
  LATHE_ASSIGN_OR_RETURN(BlobWriter writer, Write());
  std::vector<char> buffer(256 << 10);
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failure(FileError("read", path, errno));
    if (count == 0) return writer.Commit();
    LATHE_RETURN_IF_ERROR(writer.Append({buffer.data(), static_cast<std::size_t>(count)}));
  }
}

bool BlobStore::Has(std::string_view sha256) const {
  return PathOf(sha256).has_value();
}

Result<v1::Blob> BlobStore::Describe(std::string_view sha256) const {
  LATHE_ASSIGN_OR_RETURN(const fs::path path, PathOf(sha256));
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return Failure(FileError("stat", path, error.value()));
  v1::Blob blob;
  blob.set_sha256(std::string(sha256));
  blob.set_size_bytes(size);
  return blob;
}

Result<fs::path> BlobStore::PathOf(std::string_view sha256) const {
  // The check is what keeps a name from leaving the folder.
  if (IsSha256(sha256)) {
    fs::path path = FolderOf(root_, sha256) / std::string(sha256);
    if (::access(path.c_str(), F_OK) == 0) return path;
  }
  return Failure(ErrorCode::kNotFound, "blob " + std::string(sha256) + " is not stored");
}

std::vector<std::string> BlobStore::Missing(std::span<const std::string> names) const {
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const bool listed = std::find(missing.begin(), missing.end(), name) != missing.end();
    if (!listed && !Has(name)) missing.push_back(name);
  }
  return missing;
}

}  // namespace lathe::artifacts
