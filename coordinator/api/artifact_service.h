#pragma once
// Blobs in and out of the coordinator's store. A call holds a thread and one file. Thread-safe.

#include "common/artifacts/blob_store.h"
#include "common/base/result.h"
#include "lathe/v1/artifact_service.grpc.pb.h"

namespace lathe::api {

class ArtifactService final : public v1::ArtifactService::Service {
 public:
  /// The store must outlive it.
  explicit ArtifactService(const artifacts::BlobStore& blobs) : blobs_(blobs) {}

  grpc::Status UploadBlob(grpc::ServerContext* call,
                          grpc::ServerReader<v1::UploadBlobRequest>* stream,
                          v1::UploadBlobResponse* response) override;
  grpc::Status DownloadBlob(grpc::ServerContext* call, const v1::DownloadBlobRequest* request,
                            grpc::ServerWriter<v1::DownloadBlobResponse>* stream) override;
  grpc::Status FindMissingBlobs(grpc::ServerContext* call,
                                const v1::FindMissingBlobsRequest* request,
                                v1::FindMissingBlobsResponse* response) override;

 private:
  Result<v1::Blob> Receive(grpc::ServerReader<v1::UploadBlobRequest>& stream) const;
  Status Send(const v1::DownloadBlobRequest& request,
              grpc::ServerWriter<v1::DownloadBlobResponse>& stream) const;

  const artifacts::BlobStore& blobs_;
};

}  // namespace lathe::api
