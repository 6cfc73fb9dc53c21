#include "coordinator/api/artifact_service.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "common/base/file_io.h"
#include "common/base/unique_fd.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"

namespace lathe::api {
namespace {

constexpr int kMaxNames = 100'000;

}  // namespace

grpc::Status ArtifactService::UploadBlob(grpc::ServerContext*,
                                         grpc::ServerReader<v1::UploadBlobRequest>* stream,
                                         v1::UploadBlobResponse* response) {
  auto blob = Receive(*stream);
  if (!blob) return rpc::ToStatus(blob.error());
  *response->mutable_blob() = std::move(*blob);
  return grpc::Status::OK;
}

Result<v1::Blob> ArtifactService::Receive(grpc::ServerReader<v1::UploadBlobRequest>& stream) const {
  v1::UploadBlobRequest message;
  if (!stream.Read(&message) || !message.has_header() ||
      !artifacts::IsSha256(message.header().sha256())) {
    return Failure(ErrorCode::kInvalidArgument,
                   "an upload begins with a header that has the blob's SHA-256 and size.");
  }
  const v1::Blob expected = message.header();
  if (auto known = blobs_.Describe(expected.sha256())) return known;
  LATHE_ASSIGN_OR_RETURN(artifacts::BlobWriter writer, blobs_.Write());
  while (stream.Read(&message)) {
    if (!message.has_data()) {
      return Failure(ErrorCode::kInvalidArgument, "after its header an upload has only data.");
    }
    if (message.data().size() > expected.size_bytes() - writer.size()) {
      return Failure(ErrorCode::kInvalidArgument, "more bytes came than the header's " +
                                                      std::to_string(expected.size_bytes()) +
                                                      "; nothing was stored.");
    }
    LATHE_RETURN_IF_ERROR(writer.Append(message.data()));
  }
  return writer.Commit(expected);
}

grpc::Status ArtifactService::DownloadBlob(grpc::ServerContext*,
                                           const v1::DownloadBlobRequest* request,
                                           grpc::ServerWriter<v1::DownloadBlobResponse>* stream) {
  const Status status = Send(*request, *stream);
  return status ? grpc::Status::OK : rpc::ToStatus(status.error());
}

Status ArtifactService::Send(const v1::DownloadBlobRequest& request,
                             grpc::ServerWriter<v1::DownloadBlobResponse>& stream) const {
  LATHE_ASSIGN_OR_RETURN(const v1::Blob blob, blobs_.Describe(request.sha256()));
  LATHE_ASSIGN_OR_RETURN(const auto path, blobs_.PathOf(request.sha256()));
  if (request.offset() > blob.size_bytes()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "offset " + std::to_string(request.offset()) + " lies behind the end of the " +
                       std::to_string(blob.size_bytes()) + " bytes of the blob.");
  }
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Failure(FileError("open", path, errno));
  auto offset = static_cast<off_t>(request.offset());
  std::vector<char> buffer(rpc::kChunkBytes);
  v1::DownloadBlobResponse piece;
  while (true) {
    const ssize_t count = ::pread(fd.get(), buffer.data(), buffer.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failure(FileError("read", path, errno));
    if (count == 0) return {};
    offset += count;
    piece.set_data(buffer.data(), static_cast<std::size_t>(count));
    if (!stream.Write(piece)) return {};  // the caller has gone
  }
}

grpc::Status ArtifactService::FindMissingBlobs(grpc::ServerContext*,
                                               const v1::FindMissingBlobsRequest* request,
                                               v1::FindMissingBlobsResponse* response) {
  if (request->sha256_size() > kMaxNames) {
    return rpc::ToStatus(
        Error{ErrorCode::kInvalidArgument, "at most 100000 blobs can be asked for at once.", {}});
  }
  const std::vector<std::string> names(request->sha256().begin(), request->sha256().end());
  for (std::string& name : blobs_.Missing(names)) response->add_sha256(std::move(name));
  return grpc::Status::OK;
}

}  // namespace lathe::api
