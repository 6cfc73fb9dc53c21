#pragma once
// What a client's verified certificate says of who it is.

#include <optional>
#include <string>

namespace grpc {
class AuthContext;
}

namespace lathe::access {

/// The common name of the caller's certificate, empty when it has none; nullopt when the
/// coordinator asks for no certificate. May be null.
std::optional<std::string> CertificateName(const grpc::AuthContext* authenticated);

}  // namespace lathe::access
