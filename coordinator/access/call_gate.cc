#include "coordinator/access/call_gate.h"

#include <grpcpp/security/auth_context.h>

#include <string_view>

#include "common/base/log.h"
#include "common/rpc/status.h"
#include "coordinator/access/certificate_name.h"
#include "coordinator/access/roles.h"

namespace lathe::access {
namespace {

// gRPC hands the call's method over as the HTTP/2 header that it came in.
constexpr char kPath[] = ":path";

class CallGate final : public grpc::AuthMetadataProcessor {
 public:
  // On the thread that has the call: there is nothing to wait for.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& headers, grpc::AuthContext* authenticated,
                       OutputMetadata*, OutputMetadata*) override {
    const auto path = headers.find(kPath);
    if (path == headers.end()) {
      return {grpc::StatusCode::INTERNAL, "the call does not say which method it is for"};
    }
    const std::string_view method(path->second.data(), path->second.size());
    const std::string name = CertificateName(authenticated).value_or("");
    const Status allowed = MayCall(name, method);
    if (allowed) return grpc::Status::OK;
    log::Warning("call_refused",
                 {{"caller", name}, {"method", method}, {"reason", allowed.error().message}});
    return rpc::ToStatus(allowed.error());
  }
};

}  // namespace

std::shared_ptr<grpc::AuthMetadataProcessor> MakeCallGate() {
  return std::make_shared<CallGate>();
}

}  // namespace lathe::access
