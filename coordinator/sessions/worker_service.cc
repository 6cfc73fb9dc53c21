#include "coordinator/sessions/worker_service.h"

#include "coordinator/sessions/session.h"

namespace lathe::sessions {

grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* WorkerService::Session(
    grpc::CallbackServerContext*) {
  return sessions::Session::Open(hub_);
}

}  // namespace lathe::sessions
