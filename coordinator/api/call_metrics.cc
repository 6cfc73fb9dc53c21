#include "coordinator/api/call_metrics.h"

#include <array>
#include <string>
#include <string_view>

namespace lathe::api {
namespace {

constexpr std::array<std::string_view, 17> kCodes = {
    "ok",        "cancelled",      "unknown",           "invalid_argument",   "deadline_exceeded",
    "not_found", "already_exists", "permission_denied", "resource_exhausted", "failed_precondition",
    "aborted",   "out_of_range",   "unimplemented",     "internal",           "unavailable",
    "data_loss", "unauthenticated"};

std::string NameOf(grpc::StatusCode code) {
  const auto index = static_cast<std::size_t>(code);
  return std::string(index < kCodes.size() ? kCodes[index] : "unknown");
}

/// "/lathe.v1.JobService/GetJob" -> "JobService/GetJob".
std::string ShortMethod(std::string_view method) {
  const auto dot = method.find_last_of('.');
  return std::string(method.substr(dot == method.npos ? method.find('/') + 1 : dot + 1));
}

class CallMetrics final : public grpc::experimental::Interceptor {
 public:
  CallMetrics(const Clock& clock, telemetry::Telemetry& telemetry, std::string method)
      : clock_(clock),
        telemetry_(telemetry),
        method_(std::move(method)),
        begin_(clock.MonotonicNow()) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using Hook = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_STATUS)) {
      telemetry_.Observe(
          telemetry::metrics::kRpcDuration, clock_.MonotonicNow() - begin_,
          {{"method", method_}, {"code", NameOf(methods->GetSendStatus().error_code())}});
    }
    methods->Proceed();
  }

 private:
  const Clock& clock_;
  telemetry::Telemetry& telemetry_;
  const std::string method_;
  const MonotonicInstant begin_;
};

}  // namespace

// gRPC owns what is returned and frees it with the call.
grpc::experimental::Interceptor* CallMetricsFactory::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  return std::make_unique<CallMetrics>(clock_, telemetry_, ShortMethod(info->method())).release();
}

}  // namespace lathe::api
