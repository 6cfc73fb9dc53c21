#include "coordinator/sessions/worker_service.h"

#include "coordinator/access/certificate_name.h"
#include "coordinator/sessions/session.h"

namespace lathe::sessions {

grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* WorkerService::Session(
    grpc::CallbackServerContext* call) {
  return sessions::Session::Open(hub_, access::CertificateName(call->auth_context().get()));
}

}  // namespace lathe::sessions
