// The real lathe-worker, with real trainer processes that obey the protocol, against a scripted
// coordinator over gRPC.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/integration/worker/worker_fixture.h"

namespace lathe::worker {
namespace {

using std::chrono::seconds;
using testing::AnyOf;
using testing::HasSubstr;

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

}  // namespace
}  // namespace lathe::worker
