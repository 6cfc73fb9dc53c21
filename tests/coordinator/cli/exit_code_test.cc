#include "coordinator/cli/exit_code.h"

#include <gtest/gtest.h>

namespace lathe::cli {
namespace {

TEST(ExitCode, OfEachError) {
  const std::pair<ErrorCode, int> expected[] = {
      {ErrorCode::kInvalidArgument, 6}, {ErrorCode::kNotFound, 3},
      {ErrorCode::kAlreadyExists, 7},   {ErrorCode::kFailedPrecondition, 7},
      {ErrorCode::kAborted, 7},         {ErrorCode::kPermissionDenied, 4},
      {ErrorCode::kUnauthenticated, 4}, {ErrorCode::kResourceExhausted, 8},
      {ErrorCode::kUnavailable, 5},     {ErrorCode::kDeadlineExceeded, 5},
      {ErrorCode::kCancelled, 130},     {ErrorCode::kDataLoss, 1},
      {ErrorCode::kInternal, 1},
  };
  for (const auto& [code, exit_code] : expected) {
    EXPECT_EQ(static_cast<int>(ExitCodeOf(code)), exit_code) << ToString(code);
  }
}

TEST(ExitCode, NumbersAreFixed) {
  EXPECT_EQ(static_cast<int>(ExitCode::kUsage), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::kWaitTimedOut), 124);
}

}  // namespace
}  // namespace lathe::cli
