#pragma once
// Answers of a model, computed on a worker. A call holds a thread until its answer ends.
// Thread-safe.

#include "coordinator/api/context.h"
#include "lathe/v1/inference_service.grpc.pb.h"

namespace lathe::api {

class InferenceService final : public v1::InferenceService::Service {
 public:
  explicit InferenceService(const Context& context) : context_(context) {}

  grpc::Status Generate(grpc::ServerContext* call, const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateResponse>* stream) override;

 private:
  Result<v1::GenerateAssignment> Check(const v1::GenerateRequest& request) const;
  Status Answer(grpc::ServerContext& call, const v1::GenerateRequest& request,
                grpc::ServerWriter<v1::GenerateResponse>& stream) const;

  const Context context_;
};

}  // namespace lathe::api
