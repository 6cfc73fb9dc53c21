#pragma once
// The gRPC server with all services, health and reflection.

#include <atomic>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/rpc/credentials.h"
#include "coordinator/api/context.h"

namespace lathe::api {

class Server {
 public:
  struct Options {
    std::string address;  ///< "host:port"; port 0 takes a free one
    rpc::TlsFiles tls;
  };

  /// Listens and serves; health is SERVING from here on. The context (its `stopping` apart, which
  /// is the server's own) and what it refers to must outlive the server. kFailedPrecondition and
  /// kInvalidArgument as from rpc::ServerCredentials, kUnavailable when the address can't be had.
  static Result<std::unique_ptr<Server>> Start(const Options& options, const Context& context,
                                               const Clock& clock, telemetry::Telemetry& telemetry,
                                               std::atomic<bool>& stopping);
  ~Server();

  /// "host:port" with the real port.
  const std::string& address() const { return address_; }
  /// Health NOT_SERVING, no new calls; ends those that run, after at most that long by force.
  void Stop(Duration limit);

 private:
  struct Parts;
  Server(std::unique_ptr<Parts> parts, std::string address);
  std::unique_ptr<Parts> parts_;
  std::string address_;
};

}  // namespace lathe::api
