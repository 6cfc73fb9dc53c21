// A call on a thread of our own survives what its work throws.

#include "common/rpc/guarded.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace lathe::rpc {
namespace {

TEST(GuardedTest, GivesWhatTheWorkReturns) {
  EXPECT_TRUE(Guarded([] { return Status(); }));
  const Status refused =
      Guarded([]() -> Status { return Failure(ErrorCode::kNotFound, "no such thing"); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
}

TEST(GuardedTest, WhatIsThrownBecomesAnError) {
  const Status thrown = Guarded([]() -> Status { throw std::runtime_error("a library's words"); });
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().code, ErrorCode::kInternal);
  EXPECT_EQ(thrown.error().message, "the call could not be carried out: a library's words.");
  EXPECT_FALSE(Guarded([]() -> Status { throw std::bad_alloc(); }));
}

}  // namespace
}  // namespace lathe::rpc
