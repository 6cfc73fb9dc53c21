#pragma once
// The nodes as users see them. Thread-safe.

#include "coordinator/api/context.h"
#include "lathe/v1/node_service.grpc.pb.h"

namespace lathe::api {

class NodeService final : public v1::NodeService::Service {
 public:
  explicit NodeService(const Context& context) : context_(context) {}

  grpc::Status ListNodes(grpc::ServerContext* call, const v1::ListNodesRequest* request,
                         v1::ListNodesResponse* response) override;

 private:
  const Context context_;
};

}  // namespace lathe::api
