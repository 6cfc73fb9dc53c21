#pragma once
// Channels and servers with the same limits and keepalive on both sides: a dead peer is noticed
// within kKeepaliveTime + kKeepaliveTimeout, and a server never drops a client for its pings.

#include <chrono>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/rpc/credentials.h"

namespace grpc {
class Channel;
class ClientContext;
class ServerBuilder;
}  // namespace grpc

namespace lathe::rpc {

constexpr std::chrono::seconds kKeepaliveTime{10};
constexpr std::chrono::seconds kKeepaliveTimeout{5};
/// Of one message in either direction. Blobs travel in pieces of kChunkBytes.
constexpr int kMaxMessageBytes = 16 << 20;
constexpr std::size_t kChunkBytes = 256 << 10;

/// A channel to "host:port" or "unix:path", which connects when first used. Errors are those of
/// ChannelCredentials. Thread-safe once made.
Result<std::shared_ptr<grpc::Channel>> CreateChannel(const std::string& address,
                                                     const TlsFiles& files);

/// Sets message limits and keepalive of a server, and refuses to share its port with another
/// process.
void SetServerOptions(grpc::ServerBuilder& builder);

/// Ends the call with DEADLINE_EXCEEDED after that long.
void SetTimeout(grpc::ClientContext& context, Duration timeout);

}  // namespace lathe::rpc
