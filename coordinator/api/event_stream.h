#pragma once
// One call of StreamJobEvents: stored events in order, then, when asked, those to come.

#include <grpcpp/server_context.h>
#include <grpcpp/support/sync_stream.h>

#include <optional>
#include <set>
#include <string>

#include "coordinator/api/context.h"
#include "lathe/v1/job_service.pb.h"

namespace lathe::api {

class EventStream {
 public:
  EventStream(const Context& context, grpc::ServerContext& call,
              grpc::ServerWriter<v1::JobEvent>& stream)
      : context_(context), call_(call), stream_(stream) {}

  /// Returns when everything asked for is sent, or the caller has gone.
  Status Run(const v1::StreamJobEventsRequest& request);

 private:
  enum class Progress { kMore, kCaughtUp, kCallerGone };
  Result<Progress> SendStored(const domain::JobId& job);
  Status Follow(const domain::JobId& job);

  const Context& context_;
  grpc::ServerContext& call_;
  grpc::ServerWriter<v1::JobEvent>& stream_;
  std::optional<core::EventId> after_;
  std::set<std::string> types_;
};

}  // namespace lathe::api
