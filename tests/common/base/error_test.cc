#include <gtest/gtest.h>

#include "common/base/result.h"

namespace lathe {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return Failure(ErrorCode::kInvalidArgument, "odd");
  return n / 2;
}

Result<int> Quarter(int n) {
  LATHE_ASSIGN_OR_RETURN(const int half, Half(n));
  return Half(half);
}

TEST(Result, AssignOrReturnPassesValuesAndErrors) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).error().code, ErrorCode::kInvalidArgument);
}

TEST(Error, TextListsEveryFinding) {
  const Error error{ErrorCode::kInvalidArgument,
                    "2 problems",
                    {{"a.b", Severity::kError, "required", "is required", "", "a string"},
                     {"c", Severity::kWarning, "unusual", "is unusual", "3", ""}}};
  EXPECT_EQ(ToString(error),
            "invalid_argument: 2 problems\n  error a.b: is required\n  warning c: is unusual");
  EXPECT_TRUE(HasErrors(error.findings));
  EXPECT_FALSE(HasErrors({error.findings[1]}));
}

TEST(Error, ACallThatAStoppingServerCancelledMayBeRepeated) {
  EXPECT_TRUE(IsPassing(ErrorCode::kUnavailable));
  EXPECT_TRUE(IsPassing(ErrorCode::kCancelled));
  EXPECT_FALSE(IsPassing(ErrorCode::kInvalidArgument));
  EXPECT_FALSE(IsPassing(ErrorCode::kNotFound));
}

}  // namespace
}  // namespace lathe
