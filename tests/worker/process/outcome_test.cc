#include "worker/process/outcome.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace lathe::worker::process {
namespace {

struct Case {
  const char* name;
  Remains remains;
  OutcomeKind kind;
  FailureKind failure;
  const char* message;  ///< part of it
};

const ExitStatus kKilled{.signal = SIGKILL};
const Case kCases[] = {
    {"success",
     {.exit = ExitStatus{.code = 0}, .last_event = "succeeded"},
     OutcomeKind::kSucceeded,
     FailureKind::kNone,
     ""},
    {"code 0 without a result",
     {.exit = ExitStatus{.code = 0}, .last_event = "metric"},
     OutcomeKind::kFailed,
     FailureKind::kFault,
     "without a result"},
    {"told to leave",
     {.exit = ExitStatus{.code = 75}, .last_event = "interrupted"},
     OutcomeKind::kInterrupted,
     FailureKind::kNone,
     ""},
    {"wrong input",
     {.exit = ExitStatus{.code = 6}, .last_event = "failed", .message = "train.jsonl:3: bad"},
     OutcomeKind::kFailed,
     FailureKind::kUser,
     "train.jsonl:3: bad"},
    {"out of memory",
     {.exit = ExitStatus{.code = 70}, .last_event = "failed", .message = "oom"},
     OutcomeKind::kFailed,
     FailureKind::kOutOfMemory,
     "oom"},
    {"disk full",
     {.exit = ExitStatus{.code = 73}, .last_event = "failed", .message = "no room"},
     OutcomeKind::kFailed,
     FailureKind::kFault,
     "disk is full: no room"},
    {"fault",
     {.exit = ExitStatus{.code = 1}, .last_event = "failed", .message = "nan"},
     OutcomeKind::kFailed,
     FailureKind::kFault,
     "nan"},
    {"killed by the kernel",
     {.exit = kKilled, .last_event = "metric"},
     OutcomeKind::kFailed,
     FailureKind::kFault,
     "ran out of memory"},
    {"killed by us",
     {.exit = kKilled, .last_event = "metric", .kill_reason = "lease over"},
     OutcomeKind::kFailed,
     FailureKind::kFault,
     "lease over"},
    {"crash with last words",
     {.exit = ExitStatus{.signal = SIGSEGV}, .last_log_lines = {"assertion failed"}},
     OutcomeKind::kFailed,
     FailureKind::kFault,
     "assertion failed"},
    {"adopted, success",
     {.last_event = "succeeded"},
     OutcomeKind::kSucceeded,
     FailureKind::kNone,
     ""},
    {"adopted, interrupted",
     {.last_event = "interrupted"},
     OutcomeKind::kInterrupted,
     FailureKind::kNone,
     ""},
    {"adopted, wrong input",
     {.last_event = "failed", .code = "invalid_argument", .message = "rank"},
     OutcomeKind::kFailed,
     FailureKind::kUser,
     "rank"},
    {"adopted, out of memory",
     {.last_event = "failed",
      .code = "resource_exhausted",
      .findings = {{.code = "out_of_memory"}}},
     OutcomeKind::kFailed,
     FailureKind::kOutOfMemory,
     ""},
    {"adopted, disk full",
     {.last_event = "failed", .code = "resource_exhausted", .message = "no room"},
     OutcomeKind::kFailed,
     FailureKind::kFault,
     "disk is full: no room"},
    {"adopted, crash",
     {.last_event = "metric"},
     OutcomeKind::kFailed,
     FailureKind::kFault,
     "without saying why"},
};

TEST(Outcome, TheRankThatFailedIsNamedAndNotTheOneThatMissedIt) {
  const Outcome outcome = Judge({.exit = kKilled,
                                 .rank = "rank 1 of 2",
                                 .last_event = "failed",
                                 .code = "internal",
                                 .message = "rank 0 has lost the others",
                                 .last_log_lines = {"last words"}});
  EXPECT_EQ(outcome.failure, FailureKind::kFault);
  EXPECT_EQ(outcome.message.find("the trainer of rank 1 of 2 ended with signal 9"), 0u);
  EXPECT_NE(outcome.message.find("last words"), std::string::npos);
  EXPECT_EQ(outcome.message.find("has lost"), std::string::npos);
}

TEST(Outcome, TheRankThatSaysMostDecides) {
  const auto end = [](std::optional<ExitStatus> exit, unsigned order) {
    return RankEnd{.exit = exit, .order = order};
  };
  const ExitStatus lost{.code = 1};
  const std::optional<ExitStatus> adopted;
  EXPECT_EQ(DecisiveRank({end(lost, 0)}), 0u);
  EXPECT_EQ(DecisiveRank({end(ExitStatus{.code = 0}, 1), end(kKilled, 0)}), 0u) << "it is done";
  EXPECT_EQ(DecisiveRank({end(ExitStatus{.code = 75}, 1), end(kKilled, 0)}), 0u);
  EXPECT_EQ(DecisiveRank({end(lost, 1), end(lost, 2), end(kKilled, 0)}), 2u);
  EXPECT_EQ(DecisiveRank({end(lost, 1), end(lost, 0)}), 1u) << "the other one followed";
  EXPECT_EQ(DecisiveRank({end(kKilled, 0), end(ExitStatus{.code = 70}, 1)}), 1u);
  EXPECT_EQ(DecisiveRank({end(ExitStatus{.code = 6}, 0), end(ExitStatus{.code = 6}, 1)}), 0u);
  EXPECT_EQ(DecisiveRank({end(adopted, 1), end(adopted, 0)}), 0u) << "its events decide";
  std::vector<RankEnd> left = {end(kKilled, 1), end(ExitStatus{.code = 1}, 0)};
  left[0].left_behind = true;
  EXPECT_EQ(DecisiveRank(left), 1u);
}

TEST(Outcome, FollowsTheProtocol) {
  for (const Case& c : kCases) {
    const Outcome outcome = Judge(c.remains);
    EXPECT_EQ(outcome.kind, c.kind) << c.name;
    EXPECT_EQ(outcome.failure, c.failure) << c.name;
    EXPECT_NE(outcome.message.find(c.message), std::string::npos) << c.name << outcome.message;
  }
}

}  // namespace
}  // namespace lathe::worker::process
