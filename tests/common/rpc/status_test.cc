#include "common/rpc/status.h"

#include <gtest/gtest.h>

namespace lathe::rpc {
namespace {

TEST(Status, CarriesTheWholeErrorThroughAStatus) {
  const Error error{
      ErrorCode::kInvalidArgument,
      "the configuration has errors",
      {{"method.loraConfig.rank", Severity::kError, "out_of_range", "Too small.", "0", "1 to 256"},
       {"schedule.epochs", Severity::kWarning, "unusual", "Many.", "50", ""}}};
  const grpc::Status status = ToStatus(error);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const Error back = FromStatus(status);
  EXPECT_EQ(back.code, error.code);
  EXPECT_EQ(back.message, error.message);
  EXPECT_EQ(back.findings, error.findings);
}

TEST(Status, EveryCodeComesBack) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    const Error error{static_cast<ErrorCode>(code), "x", {}};
    EXPECT_EQ(FromStatus(ToStatus(error)).code, error.code) << ToString(error.code);
  }
}

TEST(Status, PlainStatusOfAnotherServer) {
  const Error error = FromStatus({grpc::StatusCode::UNAVAILABLE, "connection refused"});
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_EQ(error.message, "connection refused");
  EXPECT_EQ(FromStatus({grpc::StatusCode::UNIMPLEMENTED, "no"}).code, ErrorCode::kInternal);
}

TEST(Status, StaysBelowTheMetadataLimit) {
  Error error{ErrorCode::kInvalidArgument, std::string(5000, 'm'), {}};
  for (int i = 0; i < 500; ++i) {
    error.findings.push_back({"a.b", Severity::kError, "unknown_key",
                              std::string(399, 'x') + "ä" + std::string(500, 'y'), "1", "2"});
  }
  const grpc::Status status = ToStatus(error);
  EXPECT_LT(status.error_details().size() + status.error_message().size(), 7800U);
  const Error back = FromStatus(status);
  EXPECT_EQ(back.findings.back().code, "more_findings");
}

}  // namespace
}  // namespace lathe::rpc
