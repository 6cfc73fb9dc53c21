#include "common/rpc/status.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace lathe::rpc {
namespace {

// gRPC refuses metadata above 8 KiB by default; the answer would then hide the error it carries.
constexpr std::size_t kMaxFindings = 40;
constexpr std::size_t kMaxText = 400;
constexpr std::size_t kMaxDetailBytes = 6000;

constexpr std::array<std::pair<ErrorCode, grpc::StatusCode>, 13> kCodes = {{
    {ErrorCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT},
    {ErrorCode::kNotFound, grpc::StatusCode::NOT_FOUND},
    {ErrorCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS},
    {ErrorCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION},
    {ErrorCode::kAborted, grpc::StatusCode::ABORTED},
    {ErrorCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED},
    {ErrorCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED},
    {ErrorCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
    {ErrorCode::kUnavailable, grpc::StatusCode::UNAVAILABLE},
    {ErrorCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED},
    {ErrorCode::kCancelled, grpc::StatusCode::CANCELLED},
    {ErrorCode::kDataLoss, grpc::StatusCode::DATA_LOSS},
    {ErrorCode::kInternal, grpc::StatusCode::INTERNAL},
}};

grpc::StatusCode ToGrpc(ErrorCode code) {
  for (const auto& [ours, theirs] : kCodes) {
    if (ours == code) return theirs;
  }
  return grpc::StatusCode::INTERNAL;
}

ErrorCode FromGrpc(grpc::StatusCode code) {
  for (const auto& [ours, theirs] : kCodes) {
    if (theirs == code) return ours;
  }
  return ErrorCode::kInternal;
}

/// At most kMaxText bytes, cut between UTF-8 characters: protobuf refuses half of one.
std::string Cut(std::string_view text) {
  if (text.size() <= kMaxText) return std::string(text);
  std::size_t end = kMaxText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end)) + "…";
}

v1::Finding CutFinding(const Finding& finding) {
  v1::Finding out = ToProto(finding);
  for (std::string* text :
       {out.mutable_path(), out.mutable_message(), out.mutable_given(), out.mutable_expected()}) {
    *text = Cut(*text);
  }
  return out;
}

v1::ErrorDetail FittingDetail(const Error& error) {
  v1::ErrorDetail detail;
  detail.set_code(std::string(ToString(error.code)));
  detail.set_message(Cut(error.message));
  std::size_t taken = 0;
  for (const Finding& finding : error.findings) {
    if (taken == kMaxFindings || detail.ByteSizeLong() > kMaxDetailBytes) break;
    *detail.add_findings() = CutFinding(finding);
    ++taken;
  }
  if (taken < error.findings.size()) {
    v1::Finding* rest = detail.add_findings();
    rest->set_severity(v1::FINDING_SEVERITY_ERROR);
    rest->set_code("more_findings");
    rest->set_message(std::to_string(error.findings.size() - taken) +
                      " more findings are left out; correct these first.");
  }
  return detail;
}

}  // namespace

v1::Finding ToProto(const Finding& finding) {
  v1::Finding out;
  out.set_path(finding.path);
  out.set_severity(finding.severity == Severity::kError ? v1::FINDING_SEVERITY_ERROR
                                                        : v1::FINDING_SEVERITY_WARNING);
  out.set_code(finding.code);
  out.set_message(finding.message);
  out.set_given(finding.given);
  out.set_expected(finding.expected);
  return out;
}

Finding FromProto(const v1::Finding& finding) {
  const Severity severity =
      finding.severity() == v1::FINDING_SEVERITY_WARNING ? Severity::kWarning : Severity::kError;
  return Finding{finding.path(),    severity,        finding.code(),
                 finding.message(), finding.given(), finding.expected()};
}

v1::ErrorDetail ToProto(const Error& error) {
  v1::ErrorDetail detail;
  detail.set_code(std::string(ToString(error.code)));
  detail.set_message(error.message);
  for (const Finding& finding : error.findings) *detail.add_findings() = ToProto(finding);
  return detail;
}

Error FromProto(const v1::ErrorDetail& detail) {
  Error error{ErrorCode::kInternal, detail.message(), {}};
  for (const auto& [ours, theirs] : kCodes) {
    if (ToString(ours) == detail.code()) error.code = ours;
  }
  for (const v1::Finding& finding : detail.findings()) error.findings.push_back(FromProto(finding));
  return error;
}

grpc::Status ToStatus(const Error& error) {
  return {ToGrpc(error.code), Cut(error.message), FittingDetail(error).SerializeAsString()};
}

Error FromStatus(const grpc::Status& status) {
  Error error{FromGrpc(status.error_code()), status.error_message(), {}};
  v1::ErrorDetail detail;
  if (!status.error_details().empty() && detail.ParseFromString(status.error_details())) {
    Error carried = FromProto(detail);
    error.findings = std::move(carried.findings);
  }
  return error;
}

}  // namespace lathe::rpc
