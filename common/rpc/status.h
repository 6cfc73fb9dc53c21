#pragma once
// The one translation between our Error and a call's grpc::Status. The whole error, findings
// included, travels as a lathe.v1.ErrorDetail in the status details (binary trailer
// `grpc-status-details-bin`), so that a client shows what the server found. Pure and thread-safe.

#include <grpcpp/support/status.h>

#include <vector>

#include "common/base/error.h"
#include "lathe/v1/finding.pb.h"

namespace lathe::rpc {

/// The status of a failed call. Trailers are limited to some kilobytes, so at most the first 40
/// findings are carried, each text cut to 400 bytes; a last finding then says how many are left
/// out.
grpc::Status ToStatus(const Error& error);

/// The error of a failed call: from its details when it carries them, else from code and message.
/// `status` is not OK.
Error FromStatus(const grpc::Status& status);

v1::Finding ToProto(const Finding& finding);
Finding FromProto(const v1::Finding& finding);
v1::ErrorDetail ToProto(const Error& error);
Error FromProto(const v1::ErrorDetail& detail);

}  // namespace lathe::rpc
