#include "coordinator/api/node_service.h"

#include "common/base/version.h"
#include "coordinator/api/job_convert.h"

namespace lathe::api {

grpc::Status NodeService::ListNodes(grpc::ServerContext*, const v1::ListNodesRequest*,
                                    v1::ListNodesResponse* response) {
  response->set_coordinator_version(Version());
  const runtime::NodesPtr nodes = context_.view.Nodes();
  for (const runtime::NodeView& view : *nodes) {
    v1::Node& node = *response->add_nodes();
    node = ToProto(view);
    // Heartbeats are not stored; the stream knows the last one.
    if (const auto heard = context_.sessions.LastHeartbeat(view.node.id())) {
      *node.mutable_last_heartbeat() = ToTimestamp(*heard);
    }
  }
  return grpc::Status::OK;
}

}  // namespace lathe::api
