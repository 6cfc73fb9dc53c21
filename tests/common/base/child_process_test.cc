#include "common/base/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace lathe {
namespace {

TEST(ChildProcess, ReportsExitCodeAndSignal) {
  ChildProcess exits = ChildProcess::Start({.program = "false"}).value();
  EXPECT_EQ(exits.Wait(), ExitStatus{.code = 1});

  ChildProcess killed = ChildProcess::Start({.program = "sleep", .arguments = {"60"}}).value();
  EXPECT_FALSE(killed.Poll());
  killed.Signal(SIGKILL);
  EXPECT_EQ(killed.Wait(), ExitStatus{.signal = SIGKILL});
  EXPECT_EQ(ToString(killed.Wait()), "signal 9 (Killed)");
}

TEST(ChildProcess, MissingProgramIsNotFound) {
  const auto started = ChildProcess::Start({.program = "lathe-no-such-program"});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kNotFound);
  EXPECT_NE(started.error().message.find("lathe-no-such-program"), std::string::npos);
}

TEST(ChildProcess, NewSessionLeadsItsOwnGroup) {
  ChildProcess child =
      ChildProcess::Start({.program = "sleep", .arguments = {"60"}, .new_session = true}).value();
  EXPECT_EQ(::getpgid(child.pid()), child.pid());
  EXPECT_NE(::getsid(child.pid()), ::getsid(0));
  child.Signal(SIGKILL);
  child.Wait();
}

TEST(ChildProcess, EnvironmentIsAddedAndReplaced) {
  ::setenv("LATHE_TEST_KEPT", "kept", 1);
  ::setenv("LATHE_TEST_REPLACED", "old", 1);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ChildProcess child = ChildProcess::Start({.program = "printenv",
                                            .arguments = {"LATHE_TEST_KEPT", "LATHE_TEST_REPLACED"},
                                            .environment = {{"LATHE_TEST_REPLACED", "new"}},
                                            .standard_output = ends[1]})
                           .value();
  ::close(ends[1]);
  EXPECT_TRUE(child.Wait().Succeeded());
  char buffer[64] = {};
  ASSERT_GT(::read(ends[0], buffer, sizeof buffer - 1), 0);
  ::close(ends[0]);
  EXPECT_STREQ(buffer, "kept\nnew\n");
}

}  // namespace
}  // namespace lathe
