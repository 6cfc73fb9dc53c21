#pragma once
// The gRPC service that workers open their streams on.

#include "coordinator/sessions/session_hub.h"
#include "lathe/v1/worker_service.grpc.pb.h"

namespace lathe::sessions {

class WorkerService final : public v1::WorkerService::CallbackService {
 public:
  /// The hub must outlive the server.
  explicit WorkerService(SessionHub& hub) : hub_(hub) {}

  grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Session(
      grpc::CallbackServerContext* context) override;

 private:
  SessionHub& hub_;
};

}  // namespace lathe::sessions
