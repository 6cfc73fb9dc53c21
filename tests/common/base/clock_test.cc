#include "common/base/clock.h"

#include <gtest/gtest.h>

namespace lathe {
namespace {

TEST(Clock, FormatsRfc3339WithMilliseconds) {
  EXPECT_EQ(ToRfc3339(FromMicros(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(ToRfc3339(FromMicros(1'795'256'520'123'456)), "2026-11-21T10:22:00.123Z");
}

TEST(Clock, ManualClockMovesOnlyWhenTold) {
  ManualClock clock(FromMicros(5));
  EXPECT_EQ(ToMicros(clock.Now()), 5);
  clock.Advance(std::chrono::seconds(1));
  EXPECT_EQ(ToMicros(clock.Now()), 1'000'005);
}

}  // namespace
}  // namespace lathe
