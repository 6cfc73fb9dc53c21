#include "common/rpc/backoff.h"

#include <gtest/gtest.h>

namespace lathe::rpc {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, GrowsToTheCapWithinItsBounds) {
  Backoff backoff(milliseconds(100), milliseconds(1000), 7);
  Duration bound = milliseconds(100);
  for (int i = 0; i < 10; ++i) {
    const Duration wait = backoff.Next();
    EXPECT_GE(wait, bound / 2);
    EXPECT_LE(wait, bound);
    bound = std::min<Duration>(bound * 2, milliseconds(1000));
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(), milliseconds(100));
}

TEST(Backoff, TwoClientsWaitDifferently) {
  Backoff one(milliseconds(100), milliseconds(1000), 1);
  Backoff two(milliseconds(100), milliseconds(1000), 2);
  EXPECT_NE(one.Next(), two.Next());
}

}  // namespace
}  // namespace lathe::rpc
