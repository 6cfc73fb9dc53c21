#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "coordinator/cli/local/daemon.h"
#include "coordinator/cli/local/probes.h"
#include "coordinator/cli/local/processes.h"
#include "coordinator/cli/local/settings.h"

namespace lathe::cli {
namespace {

using testing::HasSubstr;

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class LocalTest : public ::testing::Test {
 protected:
  DaemonSpec Shell(const std::string& script) const {
    return {.name = "daemon",
            .program = "/bin/sh",
            .arguments = {"-c", script},
            .log_file = folder_.path() / "daemon.log",
            .pid_file = folder_.path() / "daemon.pid"};
  }
  static bool Never() { return false; }

  TempDir folder_ = TempDir::Create().value();
};

TEST_F(LocalTest, AProcessIsKnownByItsStartTimeToo) {
  const auto self = Identify(::getpid());
  ASSERT_TRUE(self);
  EXPECT_TRUE(IsAlive(*self));
  ProcessIdentity reused = *self;
  ++reused.start_ticks;
  EXPECT_FALSE(IsAlive(reused));
  ASSERT_TRUE(WriteIdentity(folder_.path() / "pid", *self));
  EXPECT_EQ(ReadLiving(folder_.path() / "pid"), *self);
  ASSERT_TRUE(WriteIdentity(folder_.path() / "pid", reused));
  EXPECT_FALSE(ReadLiving(folder_.path() / "pid"));
  EXPECT_FALSE(ReadLiving(folder_.path() / "missing"));
}

TEST_F(LocalTest, ADaemonIsFoundAgainAndStopped) {
  Daemon daemon = Daemon::Start(Shell("exec sleep 60")).value();
  EXPECT_EQ(ReadLiving(folder_.path() / "daemon.pid"), daemon.identity());
  EXPECT_EQ(::getsid(daemon.identity().pid), daemon.identity().pid);
  daemon.Stop(5s);
  EXPECT_FALSE(IsAlive(daemon.identity()));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "daemon.pid"));
}

TEST_F(LocalTest, OneThatIgnoresTermIsKilled) {
  Daemon daemon =
      Daemon::Start(Shell("trap '' TERM; echo ready; while :; do sleep 0.1; done")).value();
  const auto ready = [&] {
    return ReadFile(folder_.path() / "daemon.log").value_or("").find("ready") != std::string::npos;
  };
  ASSERT_TRUE(daemon.WaitUntil(ready, 10s, Never));
  EXPECT_EQ(StopProcesses({daemon.identity()}, 200ms), StopResult::kKilled);
  EXPECT_FALSE(IsAlive(daemon.identity()));
}

TEST_F(LocalTest, OneThatEndsAtOnceIsReportedWithItsLog) {
  std::ofstream(folder_.path() / "daemon.log") << "of an earlier run\n";
  Daemon daemon = Daemon::Start(Shell("echo cannot bind >&2; exit 3")).value();
  const Status status = daemon.WaitUntil(Never, 10s, Never);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(status.error().message, HasSubstr("exit code 3"));
  EXPECT_THAT(status.error().message, HasSubstr("cannot bind"));
  EXPECT_THAT(status.error().message, ::testing::Not(HasSubstr("earlier run")));
}

TEST_F(LocalTest, WaitingEndsWithTimeAndWithInterrupt) {
  Daemon daemon = Daemon::Start(Shell("exec sleep 60")).value();
  EXPECT_EQ(daemon.WaitUntil(Never, 50ms, Never).error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(daemon.WaitUntil(Never, 10s, [] { return true; }).error().code, ErrorCode::kCancelled);
  daemon.Stop(5s);
}

TEST_F(LocalTest, TrainersAreFoundByProgramAndFolder) {
  // A program of that name: the shell, under another one.
  const std::filesystem::path program = folder_.path() / "lathe-trainer";
  std::filesystem::copy_file(std::filesystem::canonical("/bin/sh"), program);
  // It stops itself: a shell that forks would for a moment be two of them.
  const auto start = [&](const std::string& plan) {
    return ChildProcess::Start({.program = program,
                                .arguments = {"-c", "kill -STOP $$", plan},
                                .new_session = true})
        .value();
  };
  const std::string worker = (folder_.path() / "worker-1").string();
  ChildProcess ours = start(worker + "/jobs/job-1/plan.json");
  ChildProcess other = start(worker + "0/jobs/job-1/plan.json");
  EXPECT_EQ(TrainersBelow(worker), std::vector{Identify(ours.pid()).value()});
  for (ChildProcess* child : {&ours, &other}) {
    child->Signal(SIGKILL);
    child->Wait();
  }
  EXPECT_TRUE(TrainersBelow(worker).empty());
}

TEST_F(LocalTest, SettingsAreKeptAndOverridden) {
  const Layout layout(folder_.path());
  const UpSettings first = LoadSettings(layout, {.workers = 3, .cpu_only = true}).value();
  EXPECT_EQ(first.port, 7420);
  EXPECT_EQ(first.models_dir, layout.models_dir());
  ASSERT_TRUE(SaveSettings(layout, first));
  const UpSettings second = LoadSettings(layout, {.port = 0}).value();
  EXPECT_EQ(second.workers, 3);
  EXPECT_TRUE(second.cpu_only);
  EXPECT_EQ(second.port, 0);

  ASSERT_TRUE(WriteFileAtomically(layout.settings_file(), "{\"workers\": \"many\"}"));
  EXPECT_EQ(LoadSettings(layout, {}).error().code, ErrorCode::kDataLoss);
}

TEST_F(LocalTest, ConfigurationsOfTheDaemons) {
  const Layout layout(folder_.path());
  const UpSettings settings{.workers = 2, .port = 9000, .models_dir = layout.models_dir()};
  const std::string coordinator = CoordinatorConfig(layout, settings, "127.0.0.1:9000");
  EXPECT_THAT(coordinator,
              HasSubstr("\nlisten: \"127.0.0.1:9000\"\nmetrics_listen: \"127.0.0.1:9001\"\n"));
  const std::string worker = WorkerConfig(layout, settings, 2, "127.0.0.1:9000");
  EXPECT_THAT(worker, HasSubstr("\nmetrics_listen: \"127.0.0.1:9003\"\n"));
  EXPECT_THAT(worker, HasSubstr("\ngpus: none\n"));  // the first worker has them
  EXPECT_THAT(worker, HasSubstr("\nnode_id: " + WorkerNodeId(2) + "\n"));
}

TEST_F(LocalTest, ProbesOfThisMachine) {
  EXPECT_FALSE(RedisAnswers(folder_.path() / "redis.sock"));
  EXPECT_TRUE(CheckPortIsFree(0));
  EXPECT_EQ(ProgramBeside(folder_.path() / "lathe", "lathe-worker").error().code,
            ErrorCode::kNotFound);
  EXPECT_TRUE(ProgramInPath("sh"));
  EXPECT_FALSE(ProgramInPath("lathe-no-such-program"));
}

}  // namespace
}  // namespace lathe::cli
