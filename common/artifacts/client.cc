#include "common/artifacts/client.h"

#include <fcntl.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>
#include <vector>

#include "common/artifacts/sha256.h"
#include "common/base/file_io.h"
#include "common/base/unique_fd.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "lathe/v1/artifact_service.grpc.pb.h"

namespace lathe::artifacts {
namespace {

namespace fs = std::filesystem;
using Stub = v1::ArtifactService::Stub;

constexpr std::chrono::seconds kShortCall{30};

Result<std::set<std::string>> FindMissing(Stub& stub, const std::vector<v1::Blob>& blobs) {
  v1::FindMissingBlobsRequest request;
  for (const v1::Blob& blob : blobs) request.add_sha256(blob.sha256());
  v1::FindMissingBlobsResponse response;
  grpc::ClientContext context;
  rpc::SetTimeout(context, kShortCall);
  const grpc::Status status = stub.FindMissingBlobs(&context, request, &response);
  if (!status.ok()) return Failure(rpc::FromStatus(status).WithContext("find missing blobs"));
  return std::set<std::string>(response.sha256().begin(), response.sha256().end());
}

using UploadStream = grpc::ClientWriter<v1::UploadBlobRequest>;

Status SendBytes(std::string_view bytes, UploadStream& stream) {
  v1::UploadBlobRequest request;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, rpc::kChunkBytes);
    request.set_data(piece.data(), piece.size());
    if (!stream.Write(request)) return {};
    bytes.remove_prefix(piece.size());
  }
  return {};
}

Status SendFile(const fs::path& path, UploadStream& stream) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Failure(FileError("open", path, errno));
  std::vector<char> buffer(rpc::kChunkBytes);
  v1::UploadBlobRequest request;
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failure(FileError("read", path, errno));
    if (count == 0) return {};
    request.set_data(buffer.data(), static_cast<std::size_t>(count));
    // The reason for a refused write comes with the status of the call.
    if (!stream.Write(request)) return {};
  }
}

/// `send_pieces` writes the bytes; `what` names them in errors.
Status Send(Stub& stub, const v1::Blob& blob, const std::string& what,
            const std::function<Status(UploadStream&)>& send_pieces) {
  grpc::ClientContext context;
  v1::UploadBlobResponse response;
  const auto stream = stub.UploadBlob(&context, &response);
  v1::UploadBlobRequest header;
  *header.mutable_header() = blob;
  Status sent;
  if (stream->Write(header)) sent = send_pieces(*stream);
  if (!sent) context.TryCancel();
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  LATHE_RETURN_IF_ERROR(sent);
  if (!status.ok()) return Failure(rpc::FromStatus(status).WithContext("upload " + what));
  return {};
}

Status Send(Stub& stub, const v1::Blob& blob, const fs::path& path) {
  return Send(stub, blob, path.string(),
              [&](UploadStream& stream) { return SendFile(path, stream); });
}

/// Hash of what an interrupted download left, and where it goes on.
struct Partial {
  UniqueFd fd;
  Sha256 hash;
  std::uint64_t size = 0;
};

Result<Partial> OpenPartial(const fs::path& path, std::uint64_t limit) {
  Partial partial;
  partial.fd.Reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!partial.fd) return Failure(FileError("open", path, errno));
  std::vector<char> buffer(rpc::kChunkBytes);
  while (true) {
    const ssize_t count = ::read(partial.fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failure(FileError("read", path, errno));
    if (count == 0) break;
    partial.hash.Update({buffer.data(), static_cast<std::size_t>(count)});
    partial.size += static_cast<std::uint64_t>(count);
  }
  if (partial.size <= limit) return partial;
  // Longer than the blob: not a beginning of it.
  if (::ftruncate(partial.fd.get(), 0) != 0) return Failure(FileError("truncate", path, errno));
  ::lseek(partial.fd.get(), 0, SEEK_SET);
  partial.hash = Sha256();
  partial.size = 0;
  return partial;
}

Status Append(Partial& partial, std::string_view bytes, const fs::path& path) {
  partial.hash.Update(bytes);
  partial.size += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(partial.fd.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure(FileError("write", path, errno));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status Receive(Stub& stub, const v1::Blob& blob, Partial& partial, const fs::path& path) {
  grpc::ClientContext context;
  v1::DownloadBlobRequest request;
  request.set_sha256(blob.sha256());
  request.set_offset(partial.size);
  const auto stream = stub.DownloadBlob(&context, request);
  v1::DownloadBlobResponse piece;
  Status written;
  while (written && stream->Read(&piece)) written = Append(partial, piece.data(), path);
  if (!written) context.TryCancel();
  const grpc::Status status = stream->Finish();
  LATHE_RETURN_IF_ERROR(written);
  if (!status.ok()) {
    return Failure(rpc::FromStatus(status).WithContext("download blob " + blob.sha256()));
  }
  return {};
}

}  // namespace

Result<v1::Blob> Client::UploadFile(const fs::path& path) const {
  LATHE_ASSIGN_OR_RETURN(v1::Blob blob, DescribeFile(path));
  Stub stub(channel_);
  LATHE_ASSIGN_OR_RETURN(const auto missing, FindMissing(stub, {blob}));
  if (!missing.empty()) LATHE_RETURN_IF_ERROR(Send(stub, blob, path));
  return blob;
}

Result<v1::Blob> Client::UploadBytes(std::string_view bytes) const {
  Sha256 hash;
  hash.Update(bytes);
  v1::Blob blob;
  blob.set_sha256(hash.Finish());
  blob.set_size_bytes(bytes.size());
  Stub stub(channel_);
  LATHE_ASSIGN_OR_RETURN(const auto missing, FindMissing(stub, {blob}));
  if (!missing.empty()) {
    LATHE_RETURN_IF_ERROR(Send(stub, blob, std::to_string(bytes.size()) + " bytes",
                               [&](UploadStream& stream) { return SendBytes(bytes, stream); }));
  }
  return blob;
}

Result<v1::Manifest> Client::UploadFolder(const fs::path& folder) const {
  LATHE_ASSIGN_OR_RETURN(v1::Manifest manifest, DescribeFolder(folder));
  std::vector<v1::Blob> blobs;
  for (const auto& file : manifest.files()) blobs.push_back(file.blob());
  Stub stub(channel_);
  LATHE_ASSIGN_OR_RETURN(auto missing, FindMissing(stub, blobs));
  for (const auto& file : manifest.files()) {
    // Erased, so that a content that occurs twice is sent once.
    if (missing.erase(file.blob().sha256()) == 0) continue;
    LATHE_RETURN_IF_ERROR(Send(stub, file.blob(), folder / file.path()));
  }
  return manifest;
}

Status Client::Download(const v1::Blob& blob, const fs::path& target) const {
  fs::path part = target;
  part += ".part";
  LATHE_ASSIGN_OR_RETURN(Partial partial, OpenPartial(part, blob.size_bytes()));
  Stub stub(channel_);
  if (Status received = Receive(stub, blob, partial, part); !received) {
    // A part is kept to go on from, but not where it takes the room that everything else lacks.
    std::error_code ignored;
    if (received.error().code == ErrorCode::kResourceExhausted) fs::remove(part, ignored);
    return received;
  }
  const std::string hash = partial.hash.Finish();
  if (hash != blob.sha256()) {
    std::error_code ignored;
    fs::remove(part, ignored);
    return Failure(ErrorCode::kDataLoss, "blob " + blob.sha256() + " arrived as " + hash + " (" +
                                             std::to_string(partial.size) + " bytes)");
  }
  if (::fsync(partial.fd.get()) != 0) return Failure(FileError("fsync", part, errno));
  if (::rename(part.c_str(), target.c_str()) != 0) {
    return Failure(FileError("rename to", target, errno));
  }
  return {};
}

Status Client::DownloadFolder(const v1::Manifest& manifest, const fs::path& folder) const {
  return Materialise(manifest, folder, [this](const v1::Blob& blob, const fs::path& target) {
    return Download(blob, target);
  });
}

}  // namespace lathe::artifacts
