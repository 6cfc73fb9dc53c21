// The real lathe-worker, with real trainer processes that obey the protocol, against a scripted
// coordinator over gRPC.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "common/base/child_process.h"
#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "common/base/unique_fd.h"
#include "tests/integration/worker/scripted_coordinator.h"

namespace lathe::worker {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using testing::AnyOf;
using testing::HasSubstr;

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
  // Whether the process is there and no zombie within ten seconds of looking for its death.
  static bool Dies(pid_t pid) {
    for (int i = 0; i < 1000; ++i) {
      const auto stat = ReadFile("/proc/" + std::to_string(pid) + "/stat", 4096);
      if (!stat || stat->find(") Z ") != std::string::npos) return true;
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

TEST_F(WorkerTest, RunsAnAttemptFromStartToAcknowledgedEnd) {
  StartWorker();
  const auto registration = coordinator_.WaitForRegistration(1);
  ASSERT_TRUE(registration);
  EXPECT_EQ(registration->node_id(), "node-1");
  EXPECT_EQ(registration->protocol_version(), 1u);
  EXPECT_EQ(registration->models(0), "tiny");
  EXPECT_EQ(registration->resources().cpu_slots(), 1u);

  Send(Start("job-1", 1, {{"steps", 12}}));
  ASSERT_TRUE(coordinator_.WaitForStart("job-1", 1));
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->DebugString();
  ASSERT_EQ(end->adapter().files_size(), 2);
  EXPECT_EQ(end->adapter().files(1).path(), "adapter_model.safetensors");
  EXPECT_EQ(coordinator_.Get(end->adapter().files(1).blob()), "job-1");

  // Every event had arrived when the end did.
  EXPECT_EQ(coordinator_.StepsOf("job-1"), Upto(12));
  const auto events = coordinator_.EventsOf("job-1");
  EXPECT_THAT(events, testing::Contains(HasSubstr("OMP_NUM_THREADS 1")));
  bool end_heard = false;
  for (const auto& message : coordinator_.Heard()) {
    end_heard |= message.attempt_report().phase() == v1::ATTEMPT_PHASE_SUCCEEDED;
    EXPECT_FALSE(end_heard && message.has_event_batch());
  }
  for (int i = 0; i < 500 && fs::exists(data_ / "jobs/job-1"); ++i) ::usleep(10'000);
  EXPECT_FALSE(fs::exists(data_ / "jobs/job-1")) << "nobody needs it any more";
}

TEST_F(WorkerTest, CheckpointsAreUploadedBesideTheTraining) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 100'000}}));
  const auto message = coordinator_.WaitFor(
      [](const v1::WorkerMessage& m) { return m.checkpoint_report().step() >= 10; });
  ASSERT_TRUE(message);
  const v1::CheckpointReport& report = message->checkpoint_report();
  EXPECT_EQ(coordinator_.Get(report.checkpoint().files(0).blob()), std::to_string(report.step()));
}

TEST_F(WorkerTest, EventsAndReportsAreSentAgainUntilAcknowledged) {
  coordinator_.SetScript({.ack_events = false, .ack_reports = false});
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 8}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 8));
  coordinator_.Stop();
  coordinator_.Forget();
  coordinator_.SetScript({});
  coordinator_.Start();
  const auto registration = coordinator_.WaitForRegistration(2);
  ASSERT_TRUE(registration);
  ASSERT_EQ(registration->attempts_size(), 1);
  EXPECT_EQ(registration->attempts(0).phase(), v1::ATTEMPT_PHASE_STARTED)
      << "its events are not acknowledged yet";
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->message();
  EXPECT_EQ(coordinator_.StepsOf("job-1"), Upto(8));
}

TEST_F(WorkerTest, TrainingGoesOnWhileTheCoordinatorIsAway) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 40}, {"stepMilliseconds", 20}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  coordinator_.Stop();
  ::usleep(1'000'000);
  coordinator_.Start();
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->message();
  EXPECT_EQ(coordinator_.StepsOf("job-1"), Upto(40));
}

TEST_F(WorkerTest, ARunningTrainerIsAdoptedAfterKillNine) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 60}, {"stepMilliseconds", 20}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 5));
  const pid_t trainer = TrainerPid("job-1");
  KillWorker();
  ASSERT_EQ(::kill(trainer, 0), 0) << "outlives the daemon";
  StartWorker();
  const auto registration = coordinator_.WaitForRegistration(2);
  ASSERT_TRUE(registration);
  ASSERT_EQ(registration->attempts_size(), 1);
  EXPECT_EQ(registration->attempts(0).job_id(), "job-1");
  EXPECT_EQ(TrainerPid("job-1"), trainer);
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->message();
  EXPECT_EQ(coordinator_.StepsOf("job-1"), Upto(60));
}

TEST_F(WorkerTest, ATrainerThatEndedWhileNoDaemonRanIsReported) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 20}, {"stepMilliseconds", 20}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  const pid_t trainer = TrainerPid("job-1");
  KillWorker();
  ASSERT_TRUE(Dies(trainer));
  StartWorker();
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->message();
  EXPECT_EQ(coordinator_.StepsOf("job-1"), Upto(20));
}

TEST_F(WorkerTest, ACrashIsAFaultAndTheNextAttemptLeavesNoGapAndNoDouble) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 12}, {"crashAtStep", 8}}));
  const auto crash = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(crash);
  EXPECT_EQ(crash->phase(), v1::ATTEMPT_PHASE_FAILED);
  EXPECT_EQ(crash->failure_class(), v1::FAILURE_CLASS_FAULT);
  EXPECT_THAT(crash->message(), HasSubstr("signal 9"));
  EXPECT_EQ(crash->checkpoint_step(), 5u);
  EXPECT_EQ(crash->checkpoint().files_size(), 1);

  auto again = Start("job-1", 2, {{"steps", 12}, {"crashAtStep", 8}});
  again.set_reported_step(8);
  *again.mutable_checkpoint() = crash->checkpoint();
  again.set_checkpoint_step(5);
  Send(again);
  const auto end = coordinator_.WaitForEnd("job-1", 2);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->message();
  EXPECT_EQ(coordinator_.StepsOf("job-1"), Upto(12));
}

TEST_F(WorkerTest, AnAttemptGoesOnFromACheckpointOfAnotherNode) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  auto start = Start("job-1", 3, {{"steps", 12}});
  start.set_reported_step(7);
  auto& file = *start.mutable_checkpoint()->add_files();
  file.set_path("state");
  *file.mutable_blob() = coordinator_.Put("5");
  start.set_checkpoint_step(5);
  Send(start);
  const auto end = coordinator_.WaitForEnd("job-1", 3);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->message();
  EXPECT_EQ(coordinator_.StepsOf("job-1"), (std::vector<int>{8, 9, 10, 11, 12}))
      << "steps 6 and 7 are computed again and not sent again";
}

TEST_F(WorkerTest, RanksAreStartedAdoptedAndEndedTogether) {
  StartWorker({{"--cpu-ranks", "3"}});
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 40}, {"stepMilliseconds", 20}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  const auto ranks = Ranks("job-1");
  ASSERT_EQ(ranks.size(), 3u);
  EXPECT_EQ(ReadFile(data_ / "jobs/job-1/trainer-1-rank-2.log").value(), "rank 2\n");
  KillWorker();
  for (const pid_t rank : ranks) EXPECT_EQ(::kill(rank, 0), 0) << "outlives the daemon";
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(2));
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->message();
  EXPECT_EQ(coordinator_.StepsOf("job-1"), Upto(40));
  for (const pid_t rank : ranks) EXPECT_TRUE(Dies(rank));
}

TEST_F(WorkerTest, OneRankThatDiesTakesTheOthersAlong) {
  StartWorker({{"--cpu-ranks", "2"}});
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 100'000}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  const auto ranks = Ranks("job-1");
  ASSERT_EQ(ranks.size(), 2u);
  ::kill(ranks[1], SIGKILL);
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_FAILED);
  EXPECT_EQ(end->failure_class(), v1::FAILURE_CLASS_FAULT);
  EXPECT_THAT(end->message(), HasSubstr("rank 1 of 2 ended with signal 9"));
  EXPECT_THAT(end->message(), HasSubstr("Its last words:\nrank 1"));
  EXPECT_TRUE(Dies(ranks[0]));
}

// As after kill -9 of a daemon in the middle of starting them.
TEST_F(WorkerTest, HalfALaunchIsEndedAndBegunAgain) {
  StartWorker({{"--cpu-ranks", "2"}});
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 100'000}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  KillWorker();
  const auto before = Ranks("job-1");
  ASSERT_EQ(before.size(), 2u);
  const fs::path file = data_ / "jobs/job-1/attempt.json";
  auto record = nlohmann::json::parse(ReadFile(file).value());
  record["stage"] = "launching";
  for (const char* key : {"pid", "startTicks", "bootId"}) record.erase(key);
  record["otherRanks"] = nlohmann::json::array();
  std::ofstream(file) << record.dump();
  ::kill(before[1], SIGKILL);
  ASSERT_TRUE(Dies(before[1]));
  StartWorker({{"--cpu-ranks", "2"}});
  ASSERT_TRUE(coordinator_.WaitForRegistration(2));
  ASSERT_TRUE(Dies(before[0]));
  for (int i = 0; i < 1000 && Ranks("job-1").size() < 2; ++i) ::usleep(10'000);
  const auto after = Ranks("job-1");
  ASSERT_EQ(after.size(), 2u);
  EXPECT_NE(after[0], before[0]);
}

TEST_F(WorkerTest, WrongInputIsTheUsersFault) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"failAtStep", 2}, {"exitCode", 6}, {"message", "train.jsonl:2: bad"}}));
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->failure_class(), v1::FAILURE_CLASS_USER);
  EXPECT_EQ(end->message(), "train.jsonl:2: bad");
}

TEST_F(WorkerTest, AnAttemptThatCannotBeginIsReported) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("../elsewhere", 1, {}));
  const auto evil = coordinator_.WaitForEnd("../elsewhere", 1);
  ASSERT_TRUE(evil);
  EXPECT_THAT(evil->message(), HasSubstr("not a job id"));
  EXPECT_FALSE(fs::exists(data_ / "elsewhere"));

  auto unknown_model = Start("job-1", 1, {});
  unknown_model.set_base_model("none");
  Send(unknown_model);
  EXPECT_THAT(coordinator_.WaitForEnd("job-1", 1)->message(), HasSubstr("models_dir"));

  auto unknown_data = Start("job-2", 1, {});
  unknown_data.mutable_train()->set_sha256(std::string(64, 'a'));
  Send(unknown_data);
  EXPECT_THAT(coordinator_.WaitForEnd("job-2", 1)->message(), HasSubstr("no blob"));
}

TEST_F(WorkerTest, StopWithCheckpointInterrupts) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 1000}, {"checkpointEvery", 10'000}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  SendStop("job-1", 1, true);
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_INTERRUPTED);
  EXPECT_GE(end->checkpoint_step(), 3u);
  EXPECT_EQ(coordinator_.Get(end->checkpoint().files(0).blob()),
            std::to_string(end->checkpoint_step()));
  EXPECT_TRUE(fs::exists(data_ / "jobs/job-1/output/checkpoints")) << "kept for the next attempt";
}

TEST_F(WorkerTest, StopWithoutCheckpointKillsAndRemovesTheFolder) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 1000}, {"ignoreTerm", true}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  const pid_t trainer = TrainerPid("job-1");
  SendStop("job-1", 1, false);
  EXPECT_TRUE(Dies(trainer));
  for (int i = 0; i < 500 && fs::exists(data_ / "jobs/job-1"); ++i) ::usleep(10'000);
  EXPECT_FALSE(fs::exists(data_ / "jobs/job-1"));
}

TEST_F(WorkerTest, ANewerAttemptTakesThePlaceOfTheOlder) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 1000}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  const pid_t first = TrainerPid("job-1");
  Send(Start("job-1", 2, {{"steps", 10}}));
  const auto end = coordinator_.WaitForEnd("job-1", 2);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->message();
  EXPECT_TRUE(Dies(first));
}

TEST_F(WorkerTest, AnExpiredLeaseKillsTheTrainers) {
  coordinator_.SetScript({.lease_seconds = 1});
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 100'000}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  const pid_t trainer = TrainerPid("job-1");
  coordinator_.SetScript({.lease_seconds = 5, .ack_heartbeats = false});
  EXPECT_TRUE(Dies(trainer)) << "though the stream is open";
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->failure_class(), v1::FAILURE_CLASS_FAULT);
  EXPECT_THAT(end->message(), HasSubstr("lease"));
}

TEST_F(WorkerTest, AWrongProtocolVersionEndsTheWorkerWithAMessage) {
  coordinator_.SetScript({.refuse_version = true});
  StartWorker();
  EXPECT_EQ(worker_->WaitFor(seconds(10)), ExitStatus{.code = 7});
  EXPECT_THAT(Log(), HasSubstr("this coordinator needs 2"));
}

TEST_F(WorkerTest, ASecondWorkerOnTheSameFolderIsRefused) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  ChildProcess second = Launch();
  EXPECT_EQ(second.WaitFor(seconds(10)), ExitStatus{.code = 7});
  EXPECT_THAT(Log(), HasSubstr("another lathe-worker works on"));
}

TEST_F(WorkerTest, WrongConfigurationIsSaidAllAtOnce) {
  ChildProcess worker = Launch({{"--trainer", "/no/trainer"}, {"--models-dir", "/no/models"}});
  EXPECT_EQ(worker.WaitFor(seconds(10)), ExitStatus{.code = 6});
  EXPECT_THAT(Log(), HasSubstr("/no/trainer"));
  EXPECT_THAT(Log(), HasSubstr("/no/models"));
}

TEST_F(WorkerTest, AFarCoordinatorWithoutTlsIsRefused) {
  ChildProcess worker = Launch({{"--coordinator", "192.0.2.1:7420"}});
  EXPECT_EQ(worker.WaitFor(seconds(10)), ExitStatus{.code = 6});
  EXPECT_THAT(Log(), HasSubstr("tls"));
}

TEST_F(WorkerTest, SigtermLeavesTrainersRunningForTheNextWorker) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Send(Start("job-1", 1, {{"steps", 60}, {"stepMilliseconds", 20}}));
  ASSERT_TRUE(coordinator_.WaitForSteps("job-1", 3));
  worker_->Signal(SIGTERM);
  EXPECT_EQ(worker_->WaitFor(seconds(10)), ExitStatus{.code = 0});
  EXPECT_THAT(Log(), HasSubstr("trainers_left_running"));
  EXPECT_EQ(::kill(TrainerPid("job-1"), 0), 0);
  StartWorker();
  const auto end = coordinator_.WaitForEnd("job-1", 1);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase(), v1::ATTEMPT_PHASE_SUCCEEDED) << end->message();
  EXPECT_EQ(coordinator_.StepsOf("job-1"), Upto(60));
}

TEST_F(WorkerTest, ANewModelIsRegistered) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  EXPECT_THAT(ReadFile(folder_.path() / "metrics").value(), HasSubstr("127.0.0.1:"));
  std::ofstream(models_ / "second.gguf") << "x";
  const auto registration = coordinator_.WaitForRegistration(2);
  ASSERT_TRUE(registration);
  EXPECT_THAT(registration->models(), testing::ElementsAre("second", "tiny"));
}

class GenerateTest : public WorkerTest {
 protected:
  void Ask(const std::string& id, const std::string& question, const std::string& model = "tiny") {
    v1::CoordinatorMessage message;
    v1::GenerateAssignment& assignment = *message.mutable_generate();
    assignment.set_generation_id(id);
    assignment.set_model(model);
    assignment.set_temperature(0.12345678);
    assignment.set_seed(7);
    assignment.set_top_k(40);
    assignment.add_stop("--end");
    auto& chat = *assignment.add_messages();
    chat.set_role("user");
    chat.set_content(question);
    coordinator_.Send(message);
  }
  std::optional<v1::GenerateChunk> LastChunk(const std::string& id) {
    const auto message = coordinator_.WaitFor([&](const v1::WorkerMessage& m) {
      return m.generate_chunk().generation_id() == id && m.generate_chunk().done();
    });
    return message ? std::optional(message->generate_chunk()) : std::nullopt;
  }
  std::string TextOf(const std::string& id) {
    std::string text;
    for (const auto& message : coordinator_.Heard()) {
      if (message.generate_chunk().generation_id() == id) text += message.generate_chunk().text();
    }
    return text;
  }
};

TEST_F(GenerateTest, StreamsAnAnswer) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Ask("g-1", "hello");
  const auto last = LastChunk("g-1");
  ASSERT_TRUE(last);
  EXPECT_FALSE(last->has_error()) << last->DebugString();
  EXPECT_EQ(last->tokens(), 3u);
  EXPECT_EQ(last->finish_reason(), "stop");
  EXPECT_THAT(TextOf("g-1"), HasSubstr("hello0 hello1 hello2 "));
  EXPECT_THAT(TextOf("g-1"),
              HasSubstr("--device cpu --temperature 0.12345678 --seed 7 --top-k 40 --stop=--end"));
}

TEST_F(GenerateTest, FailuresComeAsErrors) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Ask("g-1", "fail");
  EXPECT_EQ(LastChunk("g-1")->error().code(), "invalid_argument");
  Ask("g-2", "crash");
  EXPECT_THAT(LastChunk("g-2")->error().message(), HasSubstr("signal 9"));
  Ask("g-3", "hello", "unknown");
  EXPECT_EQ(LastChunk("g-3")->error().code(), "not_found");
}

TEST_F(GenerateTest, ABoundedNumberRunsAndCancelMakesRoom) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  for (const char* id : {"g-1", "g-2", "g-3"}) Ask(id, "forever");
  const auto refused = LastChunk("g-3");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->error().code(), "resource_exhausted");
  v1::CoordinatorMessage cancel;
  cancel.mutable_cancel_generate()->set_generation_id("g-1");
  coordinator_.Send(cancel);
  std::optional<v1::GenerateChunk> answer;
  for (int i = 0; i < 20 && (!answer || answer->has_error()); ++i) {
    ::usleep(100'000);
    const std::string id = "g-again-" + std::to_string(i);
    Ask(id, "hello");
    answer = LastChunk(id);
  }
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->has_error());
}

}  // namespace
}  // namespace lathe::worker
