#include "coordinator/access/caller_of.h"

#include <grpcpp/server_context.h>

#include <algorithm>

#include "coordinator/access/certificate_name.h"

namespace lathe::access {
namespace {

constexpr std::size_t kMaxUser = 128;

bool IsUsable(const std::string& user) {
  return user.size() <= kMaxUser && std::none_of(user.begin(), user.end(), [](unsigned char c) {
           return c < 0x20 || c == 0x7F || c == '/';
         });
}

std::string Text(const grpc::string_ref& text) {
  return {text.data(), text.size()};
}

std::string UserOf(const grpc::ServerContextBase& call) {
  if (auto name = CertificateName(call.auth_context().get())) return *std::move(name);
  const auto& metadata = call.client_metadata();
  const auto found = metadata.find(kUserMetadata);
  return found == metadata.end() ? std::string() : Text(found->second);
}

}  // namespace

Result<domain::Caller> MakeCaller(const std::string& user) {
  if (!IsUsable(user)) {
    return Failure(ErrorCode::kUnauthenticated,
                   "the caller's name must have at most 128 bytes, no / and no control characters");
  }
  return domain::Caller{user, {domain::kDefaultProject}, user.starts_with(domain::kServicePrefix)};
}

Result<domain::Caller> CallerOf(const grpc::ServerContextBase& call) {
  return MakeCaller(UserOf(call));
}

Result<domain::Caller> NamedCallerOf(const grpc::ServerContextBase& call) {
  LATHE_ASSIGN_OR_RETURN(domain::Caller caller, CallerOf(call));
  if (!caller.user.empty()) return caller;
  return Failure(Error{ErrorCode::kUnauthenticated,
                       "the call does not say who makes it",
                       {},
                       "present a client certificate with a common name, or, where the coordinator "
                       "asks for none, send the metadata entry lathe-user"});
}

}  // namespace lathe::access
