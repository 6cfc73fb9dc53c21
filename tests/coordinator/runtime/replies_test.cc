#include "coordinator/runtime/replies.h"

#include <gtest/gtest.h>

#include <optional>

namespace lathe::runtime {
namespace {

constexpr Duration kLimit = std::chrono::seconds(5);

class RepliesTest : public testing::Test {
 protected:
  using Told = std::optional<Result<domain::Job>>;

  core::Ticket Draw(Told& told) {
    return replies_.Draw([&told](Result<domain::Job> job) {
      EXPECT_FALSE(told) << "told once";
      told = std::move(job);
    });
  }
  static domain::Job JobOf(const std::string& id) {
    domain::Job job;
    job.spec.id = domain::JobId(id);
    return job;
  }

  ManualClock clock_;
  Replies replies_{clock_, kLimit};
};

TEST_F(RepliesTest, ReachTheirCaller) {
  Told one;
  Told two;
  const core::Ticket first = Draw(one);
  const core::Ticket second = Draw(two);
  replies_.Deliver(second, Failure(ErrorCode::kNotFound, "two"));
  EXPECT_FALSE(one);
  replies_.Deliver(first, JobOf("job-1"));
  EXPECT_EQ(one->value().id(), domain::JobId("job-1"));
  EXPECT_EQ(two->error().code, ErrorCode::kNotFound);
}

TEST_F(RepliesTest, ThatDoNotComeInTimeAreUnavailable) {
  Told early;
  const core::Ticket late = Draw(early);
  clock_.Advance(kLimit / 2);
  Told younger;
  const core::Ticket in_time = Draw(younger);
  replies_.Expire();
  EXPECT_FALSE(early);
  clock_.Advance(kLimit / 2);
  replies_.Expire();
  EXPECT_EQ(early->error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(younger) << "its time is not over";
  replies_.Deliver(late, JobOf("job-1"));  // dropped
  replies_.Deliver(in_time, JobOf("job-2"));
  EXPECT_TRUE(younger->has_value());
}

TEST_F(RepliesTest, OfWhatEndsAreUnavailable) {
  Told told;
  const core::Ticket ticket = Draw(told);
  replies_.Close();
  EXPECT_EQ(told->error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(replies_.Forget(ticket)) << "it has been told";
}

TEST_F(RepliesTest, AreNotToldWhenForgotten) {
  Told told;
  const core::Ticket ticket = Draw(told);
  EXPECT_TRUE(replies_.Forget(ticket));
  replies_.Deliver(ticket, JobOf("job-1"));
  replies_.Close();
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace lathe::runtime
