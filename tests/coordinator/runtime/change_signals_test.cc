#include "coordinator/runtime/change_signals.h"

#include <gtest/gtest.h>

namespace lathe::runtime {
namespace {

using std::chrono::milliseconds;

TEST(ChangeSignals, CoalesceAndReachOnlyTheirJob) {
  ChangeSignals signals(4);
  const auto one = signals.Subscribe(domain::JobId("job-1")).value();
  const auto two = signals.Subscribe(domain::JobId("job-2")).value();
  signals.Notify(domain::JobId("job-1"));
  signals.Notify(domain::JobId("job-1"));
  EXPECT_TRUE(one->Wait(milliseconds(0)));
  EXPECT_FALSE(one->Wait(milliseconds(0))) << "two changes are one signal";
  EXPECT_FALSE(two->Wait(milliseconds(0)));
}

TEST(ChangeSignals, AreBounded) {
  ChangeSignals signals(1);
  auto one = signals.Subscribe(domain::JobId("job-1")).value();
  EXPECT_EQ(signals.Subscribe(domain::JobId("job-1")).error().code, ErrorCode::kResourceExhausted);
  one.reset();
  EXPECT_TRUE(signals.Subscribe(domain::JobId("job-1")));
}

}  // namespace
}  // namespace lathe::runtime
