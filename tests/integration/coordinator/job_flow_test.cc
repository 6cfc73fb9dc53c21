// A job's way through a real coordinator and a real Redis, with a worker played by the test.

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
using ::testing::HasSubstr;
using Message = v1::CoordinatorMessage;

class JobFlowTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log(); }

  std::unique_ptr<RedisServer> redis_ = RedisServer::Start().value();
  CoordinatorProcess coordinator_{redis_->url(),
                                  {"--heartbeat-interval=0.1", "--lease=1", "--lease-grace=0.2"}};
};

v1::Manifest Adapter(TestClient& client) {
  v1::Manifest manifest;
  auto* file = manifest.add_files();
  file->set_path("adapter_model.safetensors");
  file->mutable_blob()->set_sha256(client.Upload("weights").substr(7));
  file->mutable_blob()->set_size_bytes(7);
  return manifest;
}

TEST_F(JobFlowTest, FromSubmissionToAdapter) {
  TestClient client(coordinator_.Connect());
  const std::string id = client.Create(client.Request()).value().job().id();
  ScriptedWorker worker(coordinator_.Connect());
  worker.Register(ScriptedWorker::Registration("n1"));
  const auto welcome = worker.Expect(Message::kWelcome).welcome();
  EXPECT_EQ(welcome.heartbeat_interval().nanos(), 100'000'000);
  EXPECT_EQ(welcome.lease().seconds(), 1);

  const auto start = worker.Expect(Message::kStartAttempt).start_attempt();
  EXPECT_EQ(start.job_id(), id);
  EXPECT_EQ(start.attempt(), 1U);
  EXPECT_EQ(start.base_model(), "tiny");
  EXPECT_EQ(start.cpu_threads(), 2U);
  EXPECT_THAT(start.configuration_json(), HasSubstr("\"rank\":8")) << "defaults are filled in";
  EXPECT_TRUE(client.WaitFor(id, v1::JOB_STATE_STARTING));

  worker.Report(start, v1::ATTEMPT_PHASE_STARTED);
  worker.Expect(Message::kReportAck);
  EXPECT_TRUE(client.WaitFor(id, v1::JOB_STATE_RUNNING));
  worker.SendMetrics(start, 1, {1, 2, 3});
  EXPECT_EQ(worker.Expect(Message::kEventAck).event_ack().sequence(), 3U);
  const v1::Manifest adapter = Adapter(client);
  worker.Report(start, v1::ATTEMPT_PHASE_SUCCEEDED, adapter);
  EXPECT_EQ(worker.Expect(Message::kReportAck).report_ack().phase(), v1::ATTEMPT_PHASE_SUCCEEDED);

  const v1::Job job = client.Get(id).value();
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.adapter().SerializeAsString(), adapter.SerializeAsString());
  EXPECT_EQ(job.progress().step(), 3U);
  EXPECT_EQ(job.progress().loss(), 1.25);
  EXPECT_EQ(job.node_id(), "n1");
  EXPECT_THAT(client.EventIds(id, "", {"metric"}), ElementsAre("1-1", "1-2", "1-3"));
  EXPECT_THAT(client.EventIds(id, "1-2", {"metric"}), ElementsAre("1-3"));
}

TEST_F(JobFlowTest, EventsSentTwiceAreStoredOnce) {
  TestClient client(coordinator_.Connect());
  const std::string id = client.Create(client.Request()).value().job().id();
  ScriptedWorker worker(coordinator_.Connect());
  worker.Register(ScriptedWorker::Registration("n1"));
  const auto start = worker.Expect(Message::kStartAttempt).start_attempt();
  worker.Report(start, v1::ATTEMPT_PHASE_STARTED);
  worker.SendMetrics(start, 1, {1, 2});
  worker.SendMetrics(start, 1, {1, 2});
  worker.SendMetrics(start, 2, {2, 3});
  for (const std::uint64_t sequence : {2U, 2U, 3U}) {
    EXPECT_EQ(worker.Expect(Message::kEventAck).event_ack().sequence(), sequence);
  }
  EXPECT_THAT(client.EventIds(id, "", {"metric"}), ElementsAre("1-1", "1-2", "1-3"));
}

TEST_F(JobFlowTest, WatchAndFollowEndWithTheJob) {
  TestClient client(coordinator_.Connect());
  const std::string id = client.Create(client.Request()).value().job().id();
  std::vector<v1::JobState> states;
  std::thread watch([&] {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_id(id);
    const auto stream = client.jobs().WatchJob(&context, request);
    v1::Job job;
    while (stream->Read(&job)) {
      if (states.empty() || states.back() != job.state()) states.push_back(job.state());
    }
    EXPECT_TRUE(stream->Finish().ok());
  });
  std::vector<std::string> metrics;
  std::thread follow([&] {
    grpc::ClientContext context;
    v1::StreamJobEventsRequest request;
    request.set_id(id);
    request.set_follow(true);
    request.add_types("metric");
    const auto stream = client.jobs().StreamJobEvents(&context, request);
    v1::JobEvent event;
    while (stream->Read(&event)) metrics.push_back(event.id());
    EXPECT_TRUE(stream->Finish().ok());
  });
  ScriptedWorker worker(coordinator_.Connect());
  worker.Register(ScriptedWorker::Registration("n1"));
  const auto start = worker.Expect(Message::kStartAttempt).start_attempt();
  worker.Report(start, v1::ATTEMPT_PHASE_STARTED);
  worker.Expect(Message::kReportAck);
  worker.SendMetrics(start, 1, {1});
  worker.SendMetrics(start, 2, {2});
  worker.Report(start, v1::ATTEMPT_PHASE_SUCCEEDED, Adapter(client));
  worker.Expect(Message::kReportAck);
  watch.join();
  follow.join();
  ASSERT_FALSE(states.empty());
  EXPECT_EQ(states.back(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(metrics, ElementsAre("1-1", "1-2"));
}

TEST_F(JobFlowTest, CancelStopsTheAttempt) {
  TestClient client(coordinator_.Connect());
  const std::string id = client.Create(client.Request()).value().job().id();
  ScriptedWorker worker(coordinator_.Connect());
  worker.Register(ScriptedWorker::Registration("n1"));
  const auto start = worker.Expect(Message::kStartAttempt).start_attempt();
  worker.Report(start, v1::ATTEMPT_PHASE_STARTED);
  ASSERT_TRUE(client.WaitFor(id, v1::JOB_STATE_RUNNING));
  ASSERT_TRUE(client.Cancel(id));
  const auto stop = worker.Expect(Message::kStopAttempt).stop_attempt();
  EXPECT_EQ(stop.job_id(), id);
  worker.Report(start, v1::ATTEMPT_PHASE_INTERRUPTED);
  EXPECT_TRUE(client.WaitFor(id, v1::JOB_STATE_CANCELLED));
  EXPECT_TRUE(client.Cancel(id)) << "cancelling again is a no-op";
}

TEST_F(JobFlowTest, PendingJobsAreCancelledAtOnce) {
  TestClient client(coordinator_.Connect());
  const std::string id = client.Create(client.Request()).value().job().id();
  EXPECT_EQ(client.Cancel(id).value().state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(client.Cancel("job-none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(client.Get("job-none").error().code, ErrorCode::kNotFound);
}

TEST_F(JobFlowTest, WrongProtocolVersionIsRefused) {
  ScriptedWorker worker(coordinator_.Connect());
  auto registration = ScriptedWorker::Registration("n1");
  registration.set_protocol_version(7);
  worker.Register(registration);
  const grpc::Status status = worker.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("version 7"));
  EXPECT_THAT(status.error_message(), HasSubstr("version 1"));
}

TEST_F(JobFlowTest, ANewerStreamReplacesTheOlder) {
  ScriptedWorker older(coordinator_.Connect());
  older.Register(ScriptedWorker::Registration("n1"));
  older.Expect(Message::kWelcome);
  ScriptedWorker newer(coordinator_.Connect());
  newer.Register(ScriptedWorker::Registration("n1"));
  newer.Expect(Message::kWelcome);
  EXPECT_EQ(older.Finish().error_code(), grpc::StatusCode::ABORTED);
  v1::WorkerMessage heartbeat;
  heartbeat.mutable_heartbeat()->set_sequence(5);
  newer.Write(heartbeat);
  EXPECT_EQ(newer.Expect(Message::kHeartbeatAck).heartbeat_ack().sequence(), 5U);
}

TEST_F(JobFlowTest, ASilentNodeLosesItsJobAndLateEventsAreRefused) {
  TestClient client(coordinator_.Connect());
  const std::string id = client.Create(client.Request()).value().job().id();
  v1::StartAttempt first;
  {
    ScriptedWorker silent(coordinator_.Connect());
    silent.Register(ScriptedWorker::Registration("n1"));
    first = silent.Expect(Message::kStartAttempt).start_attempt();
    silent.Report(first, v1::ATTEMPT_PHASE_STARTED);
    silent.SendMetrics(first, 1, {1, 2});
    silent.Expect(Message::kEventAck);
  }
  ASSERT_TRUE(client.WaitFor(id, v1::JOB_STATE_PENDING)) << "the lease is over";
  ScriptedWorker other(coordinator_.Connect());
  other.Register(ScriptedWorker::Registration("n2"));
  const auto second = other.Expect(Message::kStartAttempt).start_attempt();
  EXPECT_EQ(second.job_id(), id);
  EXPECT_EQ(second.attempt(), 2U);
  EXPECT_EQ(second.reported_step(), 2U);
  other.SendMetrics(first, 3, {3});
  EXPECT_EQ(other.Expect(Message::kEventAck).event_ack().attempt(), 1U)
      << "stale events are acknowledged, so that the worker forgets them";
  other.SendMetrics(second, 1, {3});
  other.Expect(Message::kEventAck);
  EXPECT_THAT(client.EventIds(id, "", {"metric"}), ElementsAre("1-1", "1-2", "2-1"));
}

}  // namespace
}  // namespace lathe::testing
