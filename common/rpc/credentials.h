#pragma once
// Transport security of servers and channels from PEM files, or none on the loopback interface
// only. Files are read and checked once, at start; errors name the file and the configuration key.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace lathe::rpc {

/// PEM files of one end; an empty path is "not set".
struct TlsFiles {
  std::filesystem::path certificate;  ///< tls.cert: own chain, leaf first
  std::filesystem::path key;          ///< tls.key: the leaf's private key
  /// Server: tls.client_ca, whom clients must be signed by (mutual TLS).
  /// Client: tls.ca, whom the server must be signed by.
  std::filesystem::path authority;

  bool IsSet() const { return !certificate.empty() || !key.empty() || !authority.empty(); }
};

/// Whether an address ("host:port", "[::1]:7420", "unix:path") can be reached from this machine
/// only. A host name is one only when it is "localhost".
bool IsLocalAddress(std::string_view address);

/// Credentials to listen with on `address`. Without files only a local address is accepted
/// (kFailedPrecondition otherwise). With them, certificate and key are both needed and must belong
/// together (kInvalidArgument otherwise).
Result<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(const TlsFiles& files,
                                                                   std::string_view address);

/// Credentials to call `address` with. Without files only a local address is accepted. TLS needs
/// the authority; certificate and key come together, for mutual TLS.
Result<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentials(const TlsFiles& files,
                                                                     std::string_view address);

/// The common name of the first certificate in a PEM file, empty when it has none. kNotFound and
/// kInvalidArgument as above.
Result<std::string> CommonNameOf(const std::filesystem::path& certificate);

/// Whether the words of a failed connection are those of a server that wants TLS and is spoken to
/// without, or with files that it or this side does not accept. gRPC has no code of its own for it.
bool LooksLikeTlsRefusal(std::string_view message);

}  // namespace lathe::rpc
