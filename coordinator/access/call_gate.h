#pragma once
// Asks of every call under mutual TLS whether the client's certificate may make it, before any
// service sees it: one place, so that no service can forget to ask.

#include <grpcpp/security/auth_metadata_processor.h>

#include <memory>

namespace lathe::access {

/// For server credentials that want a certificate of every client. What roles.h refuses ends with
/// its status and is logged.
std::shared_ptr<grpc::AuthMetadataProcessor> MakeCallGate();

}  // namespace lathe::access
