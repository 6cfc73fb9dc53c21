#pragma once
// The real lathe-worker, with real trainer processes that obey the protocol, against a scripted
// coordinator over gRPC.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "common/base/child_process.h"
#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "common/base/unique_fd.h"
#include "tests/integration/worker/scripted_coordinator.h"

namespace lathe::worker {

namespace fs = std::filesystem;

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(models_);
    std::ofstream(models_ / "tiny.gguf") << "x";
    train_ = coordinator_.Put("{\"messages\":[]}\n");
  }
  void TearDown() override {
    if (worker_) KillWorker();
    // Trainers that a test left running belong to nobody any more.
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(data_ / "jobs", none)) {
      for (const pid_t pid : Ranks(entry.path().filename())) ::kill(-pid, SIGKILL);
    }
    if (HasFailure()) std::cerr << Log();
  }

  ChildProcess Launch(const std::map<std::string, std::string>& other = {}) {
    const UniqueFd log(::open(log_.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    std::map<std::string, std::string> flags = {
        {"--coordinator", coordinator_.address()},
        {"--data-dir", data_.string()},
        {"--models-dir", models_.string()},
        {"--trainer", std::getenv("LATHE_TEST_TRAINER")},
        {"--node-id", "node-1"},
        {"--gpus", "none"},
        {"--metrics-listen", "127.0.0.1:0"},
        {"--metrics-address-file", (folder_.path() / "metrics").string()}};
    for (const auto& [flag, value] : other) flags[flag] = value;
    std::vector<std::string> arguments;
    for (const auto& [flag, value] : flags) arguments.insert(arguments.end(), {flag, value});
    return ChildProcess::Start(
               {.program = fs::path(std::getenv("LATHE_BINARY_DIR")) / "lathe-worker",
                .arguments = arguments,
                .standard_output = log.get(),
                .standard_error = log.get()})
        .value();
  }
  void StartWorker(const std::map<std::string, std::string>& other = {}) {
    worker_ = Launch(other);
  }
  void KillWorker() {
    worker_->Signal(SIGKILL);
    worker_->Wait();
    worker_.reset();
  }
  std::string Log() const { return ReadFile(log_).value_or(""); }

  v1::StartAttempt Start(const std::string& job, unsigned attempt, const nlohmann::json& test) {
    v1::CoordinatorMessage message;
    v1::StartAttempt& start = *message.mutable_start_attempt();
    start.set_job_id(job);
    start.set_attempt(attempt);
    start.set_configuration_json(nlohmann::json{{"test", test}}.dump());
    start.set_base_model("tiny");
    *start.mutable_train() = train_;
    start.set_cpu_threads(1);
    return start;
  }
  void Send(const v1::StartAttempt& start) {
    v1::CoordinatorMessage message;
    *message.mutable_start_attempt() = start;
    coordinator_.Send(message);
  }
  void SendStop(const std::string& job, unsigned attempt, bool checkpoint) {
    v1::CoordinatorMessage message;
    message.mutable_stop_attempt()->set_job_id(job);
    message.mutable_stop_attempt()->set_attempt(attempt);
    message.mutable_stop_attempt()->set_checkpoint(checkpoint);
    coordinator_.Send(message);
  }
  pid_t TrainerPid(const std::string& job) const {
    const auto text = ReadFile(data_ / "jobs" / job / "attempt.json");
    return text ? nlohmann::json::parse(*text).value("pid", 0) : 0;
  }
  // The pids of all ranks, rank 0 first.
  std::vector<pid_t> Ranks(const std::string& job) const {
    std::vector<pid_t> pids;
    const auto text = ReadFile(data_ / "jobs" / job / "attempt.json");
    if (!text) return pids;
    const auto record = nlohmann::json::parse(*text);
    if (record.value("pid", 0) > 1) pids.push_back(record["pid"]);
    for (const auto& other : record.at("otherRanks")) pids.push_back(other.at("pid"));
    return pids;
  }
  // Whether the process ends within ten seconds, as a zombie or for good. It is not our child, so
  // that there is nothing to wait on but another look.
  static bool Dies(pid_t pid) {
    for (int i = 0; i < 1000; ++i) {
      const auto stat = ReadFile("/proc/" + std::to_string(pid) + "/stat", 4096);
      if (!stat || stat->find(") Z ") != std::string::npos) return true;
      ::usleep(10'000);
    }
    return false;
  }
  // Whether it is gone within ten seconds: another program removes it, and tells nobody.
  static bool Goes(const fs::path& path) {
    for (int i = 0; i < 1000; ++i) {
      if (!fs::exists(path)) return true;
      ::usleep(10'000);
    }
    return false;
  }
  static std::vector<int> Upto(int last) {
    std::vector<int> steps(static_cast<std::size_t>(last));
    std::iota(steps.begin(), steps.end(), 1);
    return steps;
  }

  TempDir folder_ = TempDir::Create("lathe-worker").value();
  const fs::path data_ = folder_.path() / "data";
  const fs::path models_ = folder_.path() / "models";
  const fs::path log_ = folder_.path() / "worker.log";
  ScriptedCoordinator coordinator_{folder_.path()};
  v1::Blob train_;
  std::optional<ChildProcess> worker_;
};

}  // namespace lathe::worker
