#include "worker/node/heartbeats.h"

#include <gtest/gtest.h>

namespace lathe::worker {
namespace {

using std::chrono::seconds;

MonotonicInstant At(int second) {
  return MonotonicInstant(seconds(second));
}

TEST(Heartbeats, AreDueByIntervalAndRememberWhenTheyWereSent) {
  Heartbeats heartbeats;
  EXPECT_FALSE(heartbeats.Next(At(0))) << "no session";
  heartbeats.Begin(seconds(1), At(10));
  EXPECT_FALSE(heartbeats.Next(At(10)));
  EXPECT_EQ(heartbeats.Next(At(11)), 1u);
  EXPECT_FALSE(heartbeats.Next(At(11)));
  EXPECT_EQ(heartbeats.Next(At(13)), 2u);
  EXPECT_EQ(heartbeats.Next(At(14)), 3u);
  EXPECT_EQ(heartbeats.Acknowledged(2), At(13));
  EXPECT_FALSE(heartbeats.Acknowledged(2)) << "twice";
  EXPECT_FALSE(heartbeats.Acknowledged(9)) << "never sent";
  EXPECT_FALSE(heartbeats.Acknowledged(1)) << "older than one that is acknowledged";
  heartbeats.End();
  EXPECT_FALSE(heartbeats.due());
}

TEST(Heartbeats, AnotherSessionDoesNotTakeOldNumbers) {
  Heartbeats heartbeats;
  heartbeats.Begin(seconds(1), At(10));
  EXPECT_EQ(heartbeats.Next(At(11)), 1u);
  heartbeats.Begin(Duration{0}, At(12));
  EXPECT_FALSE(heartbeats.Acknowledged(1));
  EXPECT_FALSE(heartbeats.Next(At(12))) << "an interval of nothing is not taken literally";
  EXPECT_EQ(heartbeats.Next(At(13)), 2u);
}

}  // namespace
}  // namespace lathe::worker
