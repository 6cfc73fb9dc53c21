#pragma once
// Who a call comes from. Under mutual TLS it is the common name of the client's certificate. Else
// the metadata entry `lathe-user` is believed: such a coordinator does not know its callers and
// lets whoever reaches it do everything, so a name is a courtesy and no protection. Everybody is a
// member of the project `default`; a name that begins with `service:` is a service. Signing in will
// replace this file alone.

#include <string>

#include "common/base/result.h"
#include "common/domain/caller.h"

namespace grpc {
class ServerContextBase;
}

namespace lathe::access {

/// The metadata entry.
inline constexpr char kUserMetadata[] = "lathe-user";

/// The caller of a name, which has at most 128 bytes and neither `/` nor control characters:
/// kUnauthenticated otherwise. An empty name is nobody.
Result<domain::Caller> MakeCaller(const std::string& user);

/// Nobody when the call does not say.
Result<domain::Caller> CallerOf(const grpc::ServerContextBase& call);

/// kUnauthenticated, with what to do, when the call does not say who makes it.
Result<domain::Caller> NamedCallerOf(const grpc::ServerContextBase& call);

}  // namespace lathe::access
