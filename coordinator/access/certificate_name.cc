#include "coordinator/access/certificate_name.h"

#include <grpcpp/security/auth_context.h>

namespace lathe::access {
namespace {

constexpr char kCommonName[] = "x509_common_name";

}  // namespace

std::optional<std::string> CertificateName(const grpc::AuthContext* authenticated) {
  if (authenticated == nullptr || !authenticated->IsPeerAuthenticated()) return std::nullopt;
  const auto names = authenticated->FindPropertyValues(kCommonName);
  return names.empty() ? std::string() : std::string(names.front().data(), names.front().size());
}

}  // namespace lathe::access
