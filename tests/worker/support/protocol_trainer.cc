// A trainer without a model: obeys the trainer protocol (plan, event log, checkpoints, TERM, exit
// codes, generate) so that the daemon is tested with real processes in milliseconds. What it does
// is told by the object "test" of the plan's configuration.

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "worker/trainer_protocol/trainer_protocol.h"

namespace {

namespace fs = std::filesystem;
namespace protocol = lathe::trainer_protocol;
using nlohmann::json;

volatile sig_atomic_t terminate_requested = 0;

class Run {
 public:
  explicit Run(const json& plan)
      : plan_(plan),
        test_(plan.at("configuration").value("test", json::object())),
        output_(plan.at("paths").at("output").get<std::string>()) {}

  int Go() {
    ReadHistory();
    Log("started", {{"attempt", plan_.at("attempt")}});
    std::cout << "device " << plan_.at("device").get<std::string>() << ", OMP_NUM_THREADS "
              << std::getenv("OMP_NUM_THREADS") << std::endl;
    const int steps = test_.value("steps", 10);
    for (int step = newest_checkpoint_ + 1; step <= steps; ++step) {
      std::this_thread::sleep_for(std::chrono::milliseconds(test_.value("stepMilliseconds", 10)));
      if (step > logged_step_) Log("metric", {{"step", step}, {"loss", 1.0 / step}});
      if (step % test_.value("checkpointEvery", 5) == 0) Checkpoint(step);
      if (step == test_.value("failAtStep", 0)) return Fail();
      if (step == test_.value("crashAtStep", 0) && plan_.at("attempt") == 1) ::raise(SIGKILL);
      if (terminate_requested != 0 && !test_.value("ignoreTerm", false)) {
        Checkpoint(step);
        Log("interrupted", {{"step", step}});
        return protocol::kExitInterrupted;
      }
    }
    fs::create_directories(output_ / protocol::kAdapterFolder);
    std::ofstream(output_ / protocol::kAdapterFolder / "adapter_config.json") << "{}\n";
    std::ofstream(output_ / protocol::kAdapterFolder / "adapter_model.safetensors")
        << plan_.at("jobId").get<std::string>();
    Log("succeeded", {{"step", steps}});
    return protocol::kExitSucceeded;
  }

 private:
  void ReadHistory() {
    std::ifstream log(output_ / protocol::kEventLogFile);
    for (std::string line; std::getline(log, line);) {
      const json event = json::parse(line, nullptr, false);
      if (!event.is_object()) continue;
      sequence_ = event.at("seq");
      if (event.at("type") == "metric") logged_step_ = event.at("step");
    }
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(output_ / protocol::kCheckpointsFolder, none)) {
      const std::string name = entry.path().filename().string();
      newest_checkpoint_ = std::max(newest_checkpoint_, std::stoi(name.substr(5)));
    }
  }
  void Log(const char* type, json fields) {
    fields["seq"] = ++sequence_;
    fields["type"] = type;
    fields["time"] = "2026-01-01T00:00:00.000Z";
    std::ofstream(output_ / protocol::kEventLogFile, std::ios::app)
        << (fields.dump() + "\n") << std::flush;
  }
  void Checkpoint(int step) {
    const fs::path folder =
        output_ / protocol::kCheckpointsFolder / ("step-" + std::to_string(step));
    if (fs::exists(folder)) return;
    const fs::path partial = output_ / ("partial-" + std::to_string(step));
    fs::create_directories(folder.parent_path());
    fs::create_directories(partial);
    std::ofstream(partial / "state") << step;
    fs::rename(partial, folder);
    Log("checkpoint", {{"step", step}, {"path", "checkpoints/" + folder.filename().string()}});
  }
  int Fail() {
    const std::string message = test_.value("message", "it failed");
    std::cerr << "about to fail\n";
    Log("failed", {{"code", "invalid_argument"}, {"message", message}});
    return test_.value("exitCode", protocol::kExitFailed);
  }

  const json plan_;
  const json test_;
  const fs::path output_;
  int sequence_ = 0;
  int logged_step_ = 0;
  int newest_checkpoint_ = 0;
};

/// A rank that does not write: there until rank 0 has come to an end, or TERM.
int Follow(const fs::path& log) {
  while (true) {
    if (terminate_requested != 0) return protocol::kExitInterrupted;
    std::ifstream events(log);
    for (std::string line; std::getline(events, line);) {
      if (line.find("\"succeeded\"") != std::string::npos) return protocol::kExitSucceeded;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

int RunPlan(const char* path) {
  struct sigaction action {};
  action.sa_handler = [](int) { terminate_requested = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  const json plan = json::parse(std::ifstream(path));
  const std::string output = plan.at("paths").at("output");
  if (const char* rank = std::getenv(protocol::kRankVariable); rank && rank != std::string("0")) {
    std::cout << "rank " << rank << std::endl;
    return Follow(output + "/" + protocol::kEventLogFile);
  }
  const int lock = ::open((output + "/" + protocol::kLockFile).c_str(), O_CREAT | O_RDWR, 0600);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) return protocol::kExitFailed;
  return Run(plan).Go();
}

/// What the file says, and what each adapter's weights are.
void TellComposition(const char* path) {
  const json composition = json::parse(std::ifstream(path));
  std::cout << json{{"text", "\n" + composition.dump() + "\n"}} << std::endl;
  for (const json& adapter : composition.at("adapters")) {
    std::ifstream weights(fs::path(adapter.at("adapter")) / "adapter_model.safetensors");
    std::cout << json{{"text", std::string{std::istreambuf_iterator<char>(weights), {}} + "\n"}}
              << std::endl;
  }
}

int Generate(int argc, char** argv) {
  const std::string chat{std::istreambuf_iterator<char>(std::cin), {}};
  const std::string question = json::parse(chat).at("messages").back().at("content");
  if (question == "fail") {
    std::cout << R"({"error":{"code":"invalid_argument","message":"no such model","findings":[)"
                 R"({"path":"adapters","code":"none","message":"m","given":"g","expected":"e"}]}})"
              << std::endl;
    return protocol::kExitInvalid;
  }
  if (question == "crash") ::raise(SIGKILL);
  for (int i = 0; question == "forever" || i < 3; ++i) {
    std::cout << json{{"text", question + std::to_string(i) + " "}} << std::endl;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::string arguments;
  for (int i = 2; i < argc; ++i) arguments += std::string(argv[i]) + " ";
  std::cout << json{{"text", arguments}} << std::endl;
  for (int i = 2; i + 1 < argc; ++i) {
    if (argv[i] == std::string("--compose")) TellComposition(argv[i + 1]);
  }
  std::cout << R"({"done":true,"tokens":3,"milliseconds":60.5,"finishReason":"stop"})" << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "run" && argc == 3) return RunPlan(argv[2]);
  if (command == "generate") return Generate(argc, argv);
  return protocol::kExitUsage;
}
