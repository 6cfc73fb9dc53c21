#pragma once
// Times every call that reaches a service, by method and code. Thread-safe.

#include <grpcpp/support/server_interceptor.h>

#include "common/base/clock.h"
#include "common/telemetry/telemetry.h"

namespace lathe::api {

class CallMetricsFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  /// Both must outlive the server.
  CallMetricsFactory(const Clock& clock, telemetry::Telemetry& telemetry)
      : clock_(clock), telemetry_(telemetry) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  const Clock& clock_;
  telemetry::Telemetry& telemetry_;
};

}  // namespace lathe::api
