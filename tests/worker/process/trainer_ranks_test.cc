#include "worker/process/trainer_ranks.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::worker::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TrainerRanksTest : public testing::Test {
 protected:
  /// One rank that runs a script.
  LaunchSpec Script(const std::string& script) {
    return {.program = "sh", .arguments = {"-c", script}, .log = folder_.path() / "log"};
  }
  static void WaitForAll(TrainerRanks& ranks) {
    while (!ranks.WaitFor(seconds(10))) {
    }
  }

  TempDir folder_ = TempDir::Create().value();
  SystemClock clock_;
};

TEST_F(TrainerRanksTest, EachLearnsWhichItIsAndItsEndIsKept) {
  std::vector<LaunchSpec> specs;
  for (unsigned rank = 0; rank < 2; ++rank) {
    specs.push_back(
        Script("echo $RANK of $WORLD_SIZE on $LOCAL_RANK at $LATHE_RENDEZVOUS_FILE; "
               "exit $RANK"));
    specs.back().environment = RankEnvironment(rank, 2, "/meet");
    specs.back().log = folder_.path() / std::to_string(rank);
  }
  TrainerRanks ranks = TrainerRanks::Launch(specs, clock_).value();
  WaitForAll(ranks);
  EXPECT_EQ(ranks.ends()[0].exit, ExitStatus{.code = 0});
  EXPECT_EQ(ranks.ends()[1].exit, ExitStatus{.code = 1});
  EXPECT_EQ(ReadFile(folder_.path() / "1").value(), "1 of 2 on 1 at /meet\n");
  EXPECT_TRUE(RankEnvironment(0, 1, "/meet").empty()) << "one alone needs no others";
}

TEST_F(TrainerRanksTest, SignalsReachAll) {
  TrainerRanks ranks =
      TrainerRanks::Launch({Script("exec sleep 60"), Script("exec sleep 60")}, clock_).value();
  EXPECT_FALSE(ranks.WaitFor(milliseconds(10)));
  ranks.Terminate();
  WaitForAll(ranks);
  for (const RankEnd& end : ranks.ends()) EXPECT_EQ(end.exit, ExitStatus{.signal = SIGTERM});
}

TEST_F(TrainerRanksTest, WhoeverStaysWhenOneHasEndedIsKilled) {
  ManualClock clock;
  TrainerRanks ranks =
      TrainerRanks::Launch({Script("exec sleep 60"), Script("exit 70")}, clock).value();
  while (ranks.ends()[1].exit != ExitStatus{.code = 70}) ranks.WaitFor(milliseconds(10));
  EXPECT_FALSE(ranks.WaitFor(milliseconds(10))) << "it may yet say why";
  clock.Advance(kPartingTime);
  WaitForAll(ranks);
  EXPECT_TRUE(ranks.ends()[0].left_behind);
  EXPECT_FALSE(ranks.ends()[1].left_behind);
  EXPECT_EQ(DecisiveRank(ranks.ends()), 1u);
}

TEST_F(TrainerRanksTest, AllOrNoneAreStarted) {
  LaunchSpec missing = Script("");
  missing.program = "/no/trainer";
  LaunchSpec first = Script("exec sleep 60");
  first.environment = {{kAttemptVariable, folder_.path().string()}};
  const auto ranks = TrainerRanks::Launch({first, missing}, clock_);
  ASSERT_FALSE(ranks);
  EXPECT_EQ(ranks.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(FindAllByEnvironment(kAttemptVariable, folder_.path().string()).empty());
}

TEST_F(TrainerRanksTest, AdoptedOnesGoTogetherToo) {
  TrainerRanks launched =
      TrainerRanks::Launch({Script("exec sleep 60"), Script("exit 0")}, clock_).value();
  while (IsAlive(launched.identities()[1])) launched.WaitFor(milliseconds(10));
  ManualClock clock;
  TrainerRanks adopted = TrainerRanks::Adopt(launched.identities(), clock);
  EXPECT_TRUE(adopted.AnyAlive());
  EXPECT_FALSE(adopted.WaitFor(milliseconds(10)));
  clock.Advance(kPartingTime);
  adopted.WaitFor(milliseconds(10));
  WaitForAll(launched);
  WaitForAll(adopted);
  EXPECT_EQ(DecisiveRank(adopted.ends()), 0u) << "its events tell";
}

TEST_F(TrainerRanksTest, WhatAnEarlierDaemonLeftIsKilled) {
  TrainerRanks ranks =
      TrainerRanks::Launch({Script("exec sleep 60"), Script("exec sleep 60")}, clock_).value();
  KillAndWait(ranks.identities(), clock_);
  for (const ProcessIdentity& identity : ranks.identities()) EXPECT_FALSE(IsAlive(identity));
  WaitForAll(ranks);
}

}  // namespace
}  // namespace lathe::worker::process
