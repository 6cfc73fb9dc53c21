// lathe up and lathe down with the real redis-server, coordinator and worker where they are built;
// and what is left behind when one of them does not start: nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/base/temp_dir.h"
#include "common/base/unique_fd.h"
#include "coordinator/cli/local/layout.h"
#include "coordinator/cli/local/probes.h"
#include "coordinator/cli/local/processes.h"
#include "tests/coordinator/cli/cli_runner.h"

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class UpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    runner_.environment = Environment::FromProcess();
    runner_.environment.address.reset();
    runner_.environment.data_dir = data_dir().string();
  }
  void TearDown() override { runner_.Run({"down"}); }

  fs::path data_dir() const { return folder_.path() / "data"; }
  Layout layout() const { return Layout(data_dir()); }

  /// A folder with programs of these names, each the given shell script.
  void UsePrograms(const std::string& script) {
    const fs::path bin = folder_.path() / "bin";
    fs::create_directories(bin);
    for (const char* name : {"lathe-coordinator", "lathe-worker", "lathe-trainer"}) {
      std::ofstream(bin / name) << "#!/bin/sh\n" << script << "\n";
      fs::permissions(bin / name, fs::perms::owner_all);
    }
    runner_.environment.program = bin / "lathe";
  }
  bool UseRealPrograms() {
    const char* folder = std::getenv("LATHE_BINARY_DIR");
    if (folder == nullptr) return false;
    runner_.environment.program = fs::path(folder) / "lathe";
    for (const char* name : {"lathe-coordinator", "lathe-worker", "lathe-trainer"}) {
      if (!ProgramBeside(runner_.environment.program, name)) return false;
    }
    return true;
  }
  nlohmann::json Up(const std::vector<std::string>& options = {}) {
    std::vector<std::string> words = {"up", "--port", "0", "--cpu", "-o", "json"};
    words.insert(words.end(), options.begin(), options.end());
    const RunResult result = runner_.Run(words);
    EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
    return nlohmann::json::parse(result.out, nullptr, false);
  }
  static std::vector<std::string> Started(const nlohmann::json& report) {
    std::vector<std::string> names;
    for (const auto& process : report["processes"]) {
      if (process["started"]) names.push_back(process["name"]);
    }
    return names;
  }

  TempDir folder_ = TempDir::Create().value();
  CliRunner runner_;
};

TEST_F(UpTest, NothingIsStartedWhenAProgramIsMissing) {
  runner_.environment.program = folder_.path() / "nowhere/lathe";
  const RunResult result = runner_.Run({"up"});
  EXPECT_EQ(result.code, ExitCode::kNotFound);
  EXPECT_THAT(result.err, HasSubstr("there is no lathe-coordinator beside lathe"));
  EXPECT_FALSE(fs::exists(layout().redis_dir()));
}

TEST_F(UpTest, AFailedStartIsShownWithItsLogAndCleanedUp) {
  UsePrograms("echo 'cannot read the moon' >&2; exit 3");
  const RunResult result = runner_.Run({"up", "--port", "0"});
  EXPECT_EQ(result.code, ExitCode::kUnavailable);
  EXPECT_THAT(result.err, HasSubstr("coordinator did not start (exit code 3)"));
  EXPECT_THAT(result.err, HasSubstr("cannot read the moon"));
  EXPECT_FALSE(RedisAnswers(layout().redis_socket()));
  EXPECT_FALSE(fs::exists(layout().pid_file(kRedis)));
}

TEST_F(UpTest, APortInUseIsNamed) {
  UsePrograms("exit 1");
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const RunResult result = runner_.Run({"up", "--port", std::to_string(ntohs(address.sin_port))});
  EXPECT_EQ(result.code, ExitCode::kConflict);
  EXPECT_THAT(result.err, HasSubstr("--port"));
  EXPECT_FALSE(RedisAnswers(layout().redis_socket()));
}

TEST_F(UpTest, APathTooLongForASocketIsRefused) {
  UsePrograms("exit 1");
  const RunResult result =
      runner_.Run({"up", "--data-dir", (folder_.path() / std::string(100, 'x')).string()});
  EXPECT_EQ(result.code, ExitCode::kInvalid);
  EXPECT_THAT(result.err, HasSubstr("--data-dir"));
}

TEST_F(UpTest, DownWithoutUpIsFineAndMakesNothing) {
  const RunResult result = runner_.Run({"down"});
  EXPECT_EQ(result.code, ExitCode::kOk);
  EXPECT_THAT(result.out, HasSubstr("Nothing was running"));
  EXPECT_FALSE(fs::exists(data_dir()));
}

TEST_F(UpTest, BothMayBeRepeated) {
  if (!UseRealPrograms()) GTEST_SKIP() << "not every program is built";
  const auto first = Up();
  EXPECT_THAT(Started(first), ::testing::ElementsAre("redis", "coordinator", "worker-1"));
  EXPECT_EQ(runner_.Run({"node", "list"}).code, ExitCode::kOk);  // finds it by the address file

  EXPECT_THAT(runner_.Run({"up"}).out, HasSubstr("on CPU only"));  // the options are remembered
  EXPECT_EQ(runner_.Run({"up", "--port", "17420"}).code, ExitCode::kConflict);
  const auto second = Up();
  EXPECT_THAT(Started(second), ::testing::IsEmpty());
  EXPECT_EQ(second["address"], first["address"]);

  const auto worker = ReadLiving(layout().pid_file("worker-1"));
  ASSERT_TRUE(worker);
  ::kill(worker->pid, SIGKILL);
  while (IsAlive(*worker)) ::usleep(1000);
  EXPECT_THAT(Started(Up({"--workers", "2"})), ::testing::ElementsAre("worker-1", "worker-2"));

  const RunResult down = runner_.Run({"down", "-o", "json"});
  EXPECT_EQ(down.code, ExitCode::kOk) << down.err;
  EXPECT_EQ(nlohmann::json::parse(down.out)["stopped"].size(), 4U) << down.out;
  EXPECT_FALSE(RedisAnswers(layout().redis_socket()));
  EXPECT_EQ(runner_.Run({"node", "list"}).code, ExitCode::kUnavailable);
  EXPECT_EQ(nlohmann::json::parse(runner_.Run({"down", "-o", "json"}).out)["stopped"].size(), 0U);

  EXPECT_THAT(Started(Up()), ::testing::SizeIs(4));  // two workers, as remembered
}

}  // namespace
}  // namespace lathe::cli
