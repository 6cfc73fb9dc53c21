#include "worker/process/trainer_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::worker::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TrainerProcessTest : public testing::Test {
 protected:
  LaunchSpec Sleep(const char* duration) {
    return {.program = "sleep", .arguments = {duration}, .log = folder_.path() / "log"};
  }
  TempDir folder_ = TempDir::Create().value();
};

TEST_F(TrainerProcessTest, RunsInItsOwnSessionWithItsOutputInTheLog) {
  LaunchSpec spec{.program = "sh",
                  .arguments = {"-c", "echo out; echo err >&2; echo $OMP_NUM_THREADS; exit 6"},
                  .environment = TrainerEnvironment(3, {}),
                  .log = folder_.path() / "log"};
  TrainerProcess trainer = TrainerProcess::Launch(spec).value();
  while (!trainer.WaitFor(seconds(10))) {
  }
  EXPECT_EQ(trainer.exit_status(), ExitStatus{.code = 6});
  EXPECT_EQ(ReadFile(spec.log).value(), "out\nerr\n3\n");
}

TEST_F(TrainerProcessTest, InheritsNoDescriptors) {
  const UniqueFd open_here(::fcntl(STDERR_FILENO, F_DUPFD, 100));  // without close-on-exec
  const std::string path = "/proc/$$/fd/" + std::to_string(open_here.get());
  LaunchSpec spec{.program = "sh",
                  .arguments = {"-c", "[ -e " + path + " ] && echo leaked || echo closed"},
                  .log = folder_.path() / "log"};
  TrainerProcess trainer = TrainerProcess::Launch(spec).value();
  while (!trainer.WaitFor(seconds(10))) {
  }
  EXPECT_EQ(ReadFile(spec.log).value(), "closed\n");
}

TEST_F(TrainerProcessTest, KillTakesTheWholeGroup) {
  LaunchSpec spec{.program = "sh",
                  .arguments = {"-c", "sleep 60 & echo $!; wait"},
                  .log = folder_.path() / "log"};
  TrainerProcess trainer = TrainerProcess::Launch(spec).value();
  while (ReadFile(spec.log).value().empty()) ::usleep(1000);
  const pid_t grandchild = std::stoi(ReadFile(spec.log).value());
  trainer.KillGroup();
  EXPECT_TRUE(trainer.WaitFor(seconds(10)));
  EXPECT_EQ(trainer.exit_status(), ExitStatus{.signal = SIGKILL});
  const auto identity = Identify(grandchild);
  auto rest = identity ? TrainerProcess::Adopt(*identity) : std::nullopt;
  EXPECT_TRUE(!rest || rest->WaitFor(seconds(10)));
}

TEST_F(TrainerProcessTest, AWakeUpEndsTheWaitEarly) {
  TrainerProcess trainer = TrainerProcess::Launch(Sleep("60")).value();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  EXPECT_FALSE(trainer.WaitFor(seconds(60), ends[0]));
  trainer.Terminate();
  EXPECT_TRUE(trainer.WaitFor(seconds(10)));
  EXPECT_EQ(trainer.exit_status(), ExitStatus{.signal = SIGTERM});
  ::close(ends[0]);
  ::close(ends[1]);
}

// A trainer whose parent is gone, as after kill -9 of the daemon.
ProcessIdentity Orphan(const LaunchSpec& spec) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    const ProcessIdentity identity = TrainerProcess::Launch(spec).value().identity();
    const bool sent = ::write(ends[1], &identity.pid, sizeof identity.pid) == sizeof identity.pid;
    ::_exit(sent ? 0 : 1);
  }
  pid_t pid = 0;
  EXPECT_EQ(::read(ends[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ::waitpid(daemon, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  return Identify(pid).value();
}

TEST_F(TrainerProcessTest, AnOrphanIsAdoptedAndItsEndIsNoticed) {
  const ProcessIdentity identity = Orphan(Sleep("60"));
  auto adopted = TrainerProcess::Adopt(identity);
  ASSERT_TRUE(adopted);
  EXPECT_FALSE(adopted->WaitFor(milliseconds(20)));
  adopted->KillGroup();
  EXPECT_TRUE(adopted->WaitFor(seconds(10)));
  EXPECT_FALSE(adopted->exit_status()) << "its status went to another parent";
  EXPECT_FALSE(TrainerProcess::Adopt(identity));
}

TEST_F(TrainerProcessTest, AnotherProcessWithTheSamePidIsNotAdopted) {
  TrainerProcess trainer = TrainerProcess::Launch(Sleep("60")).value();
  ProcessIdentity other_start = trainer.identity();
  other_start.start_ticks -= 1;
  EXPECT_FALSE(TrainerProcess::Adopt(other_start));
  ProcessIdentity other_boot = trainer.identity();
  other_boot.boot_id = "another";
  EXPECT_FALSE(TrainerProcess::Adopt(other_boot));
  trainer.KillGroup();
  EXPECT_TRUE(trainer.WaitFor(seconds(10)));
}

TEST_F(TrainerProcessTest, ATrainerWhosePidWasNotWrittenDownIsFoundByItsEnvironment) {
  LaunchSpec spec = Sleep("60");
  spec.environment = {{kAttemptVariable, folder_.path().string() + "/1"}};
  TrainerProcess trainer = TrainerProcess::Launch(spec).value();
  EXPECT_EQ(FindAllByEnvironment(kAttemptVariable, folder_.path().string() + "/1"),
            std::vector<ProcessIdentity>{trainer.identity()});
  EXPECT_TRUE(FindAllByEnvironment(kAttemptVariable, folder_.path().string()).empty());
  trainer.KillGroup();
  EXPECT_TRUE(trainer.WaitFor(seconds(10)));
}

TEST_F(TrainerProcessTest, AMissingProgramIsAnError) {
  const auto trainer =
      TrainerProcess::Launch({.program = "/no/trainer", .log = folder_.path() / "log"});
  ASSERT_FALSE(trainer);
  EXPECT_EQ(trainer.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lathe::worker::process
