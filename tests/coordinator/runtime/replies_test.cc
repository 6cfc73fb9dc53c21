#include "coordinator/runtime/replies.h"

#include <gtest/gtest.h>

#include <thread>

namespace lathe::runtime {
namespace {

TEST(Replies, ReachTheirCaller) {
  Replies replies;
  const core::Ticket one = replies.Draw();
  const core::Ticket two = replies.Draw();
  std::thread loop([&] {
    replies.Deliver(two, Failure(ErrorCode::kNotFound, "two"));
    domain::Job job;
    job.spec.id = domain::JobId("job-1");
    replies.Deliver(one, job);
  });
  EXPECT_EQ(replies.Wait(one, std::chrono::seconds(10)).value().id(), domain::JobId("job-1"));
  EXPECT_EQ(replies.Wait(two, std::chrono::seconds(10)).error().code, ErrorCode::kNotFound);
  loop.join();
}

TEST(Replies, ThatDoNotComeAreUnavailable) {
  Replies replies;
  const core::Ticket late = replies.Draw();
  EXPECT_EQ(replies.Wait(late, std::chrono::milliseconds(1)).error().code, ErrorCode::kUnavailable);
  replies.Deliver(late, domain::Job{});  // nobody waits any more: dropped
  const core::Ticket never = replies.Draw();
  replies.Close();
  EXPECT_EQ(replies.Wait(never, std::chrono::seconds(10)).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace lathe::runtime
