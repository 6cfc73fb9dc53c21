// kill -9 of the coordinator and of Redis between any two messages loses and doubles nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/integration/coordinator/client.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/integration/coordinator/scripted_worker.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

using ::testing::ElementsAre;
using Message = v1::CoordinatorMessage;

class RestartTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log(); }

  std::unique_ptr<RedisServer> redis_ = RedisServer::Start().value();
  CoordinatorProcess coordinator_{redis_->url()};
};

TEST_F(RestartTest, AKilledCoordinatorGoesOnWhereItWas) {
  std::string id;
  v1::StartAttempt start;
  {
    TestClient client(coordinator_.Connect());
    id = client.Create(client.Request()).value().job().id();
    ScriptedWorker worker(coordinator_.Connect());
    worker.Register(ScriptedWorker::Registration("n1"));
    start = worker.Expect(Message::kStartAttempt).start_attempt();
    worker.Report(start, v1::ATTEMPT_PHASE_STARTED);
    worker.Expect(Message::kReportAck);
    worker.SendMetrics(start, 1, {1, 2});
    worker.Expect(Message::kEventAck);
    coordinator_.Kill();
  }
  coordinator_.Restart();
  ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log();
  TestClient client(coordinator_.Connect());
  EXPECT_EQ(client.Get(id).value().state(), v1::JOB_STATE_RUNNING);

  ScriptedWorker worker(coordinator_.Connect());
  auto registration = ScriptedWorker::Registration("n1");
  auto* running = registration.add_attempts();
  running->set_job_id(id);
  running->set_attempt(start.attempt());
  running->set_phase(v1::ATTEMPT_PHASE_STARTED);
  worker.Register(registration);
  worker.Expect(Message::kWelcome);
  // Not acknowledged as far as the worker knows: sent again, with what came since.
  worker.SendMetrics(start, 1, {1, 2, 3});
  EXPECT_EQ(worker.Expect(Message::kEventAck).event_ack().sequence(), 3U);
  worker.Report(start, v1::ATTEMPT_PHASE_SUCCEEDED);
  worker.Expect(Message::kReportAck);
  const v1::Job job = client.Get(id).value();
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.attempt(), 1U) << "the attempt went on, no new one was started";
  EXPECT_THAT(client.EventIds(id, "", {"metric"}), ElementsAre("1-1", "1-2", "1-3"));
}

TEST_F(RestartTest, AWorkerThatLostItsAttemptGetsANewOne) {
  std::string id;
  {
    TestClient client(coordinator_.Connect());
    id = client.Create(client.Request()).value().job().id();
    ScriptedWorker worker(coordinator_.Connect());
    worker.Register(ScriptedWorker::Registration("n1"));
    worker.Expect(Message::kStartAttempt);
    coordinator_.Kill();
  }
  coordinator_.Restart();
  ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log();
  ScriptedWorker worker(coordinator_.Connect());
  worker.Register(ScriptedWorker::Registration("n1"));
  const auto again = worker.Expect(Message::kStartAttempt).start_attempt();
  EXPECT_EQ(again.job_id(), id);
  EXPECT_EQ(again.attempt(), 2U);
}

TEST_F(RestartTest, WhileRedisIsAwayClientsAreToldAndLaterAllGoesOn) {
  TestClient client(coordinator_.Connect());
  const auto request = client.Request();
  redis_->Kill();
  // The outage is found by the first call or by the lease's renewal; either way the client is told.
  EXPECT_EQ(client.Create(request).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(client.Create(request).error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(redis_->Restart());
  for (int i = 0; i < 100; ++i) {
    if (client.Create(request)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  const auto jobs = client.List().value();
  EXPECT_GE(jobs.jobs_size(), 1);
  EXPECT_EQ(coordinator_.WaitUntilServing(), true) << "the process is the same one";
}

TEST_F(RestartTest, AStandbyTakesOverWhenTheLeaderStops) {
  CoordinatorProcess standby(redis_->url());
  TestClient client(coordinator_.Connect());
  const std::string id = client.Create(client.Request()).value().job().id();
  coordinator_.Terminate();
  EXPECT_EQ(coordinator_.ExitCode(), 0);
  ASSERT_TRUE(standby.WaitUntilServing());
  EXPECT_EQ(TestClient(standby.Connect()).Get(id).value().state(), v1::JOB_STATE_PENDING);
}

TEST_F(RestartTest, AFencedCoordinatorLeavesAndSaysWhy) {
  // The same identity in another folder: what a copied disk would do.
  CoordinatorProcess twin(redis_->url(), {"--check-config"});
  EXPECT_EQ(twin.ExitCode(), 0);
  std::filesystem::create_directories(twin.folder() / "copy");
  std::filesystem::copy_file(coordinator_.folder() / "data/coordinator-id",
                             twin.folder() / "copy/coordinator-id");
  CoordinatorProcess second(redis_->url(), {"--data-dir=" + (twin.folder() / "copy").string()});
  ASSERT_TRUE(second.WaitUntilServing()) << second.Log();
  TestClient(coordinator_.Connect()).Create(TestClient(second.Connect()).Request());
  EXPECT_EQ(coordinator_.ExitCode(), 1);
  EXPECT_THAT(coordinator_.Log(), ::testing::HasSubstr("lost its lead"));
  TestClient client(second.Connect());
  EXPECT_TRUE(client.Create(client.Request()));
}

TEST_F(RestartTest, TermWithOpenStreamsIsPrompt) {
  TestClient client(coordinator_.Connect());
  const std::string id = client.Create(client.Request()).value().job().id();
  ScriptedWorker worker(coordinator_.Connect());
  worker.Register(ScriptedWorker::Registration("n1"));
  worker.Expect(Message::kWelcome);
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_id(id);
  const auto watch = client.jobs().WatchJob(&context, request);
  v1::Job job;
  ASSERT_TRUE(watch->Read(&job));
  coordinator_.Terminate();
  EXPECT_EQ(worker.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  while (watch->Read(&job)) {
  }
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(coordinator_.ExitCode(), 0);
}

}  // namespace
}  // namespace lathe::testing
