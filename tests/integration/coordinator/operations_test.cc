// What operators and tools look at: metrics, health, reflection.

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/integration/coordinator/client.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/integration/coordinator/scripted_worker.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

using ::testing::HasSubstr;
using Message = v1::CoordinatorMessage;

/// One message to a method and the first one back, as bytes: no generated code is needed.
std::string CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                    const std::string& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  const auto call = grpc::GenericStub(channel).PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice slice(request);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
  queue.Next(&tag, &ok);
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  queue.Next(&tag, &ok);
  grpc::Slice answer;
  if (!ok || !response.DumpToSingleSlice(&answer).ok()) return "";
  return {reinterpret_cast<const char*>(answer.begin()), answer.size()};
}

class OperationsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log(); }

  std::unique_ptr<RedisServer> redis_ = RedisServer::Start().value();
  CoordinatorProcess coordinator_{redis_->url()};
};

TEST_F(OperationsTest, HealthIsServing) {
  // HealthCheckResponse{status: SERVING}
  EXPECT_EQ(CallRaw(coordinator_.Connect(), "/grpc.health.v1.Health/Check", ""),
            std::string("\x08\x01", 2));
}

TEST_F(OperationsTest, ReflectionListsTheServices) {
  // ServerReflectionRequest{list_services: ""}
  const std::string services = CallRaw(
      coordinator_.Connect(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      std::string("\x3a\x00", 2));
  for (const char* service :
       {"lathe.v1.JobService", "lathe.v1.WorkerService", "lathe.v1.NodeService",
        "lathe.v1.ArtifactService", "lathe.v1.InferenceService", "grpc.health.v1.Health"}) {
    EXPECT_THAT(services, HasSubstr(service));
  }
}

TEST_F(OperationsTest, MetricsFollowAJob) {
  TestClient client(coordinator_.Connect());
  ASSERT_TRUE(client.Create(client.Request()));
  ScriptedWorker worker(coordinator_.Connect());
  worker.Register(ScriptedWorker::Registration("n1"));
  const auto start = worker.Expect(Message::kStartAttempt).start_attempt();
  worker.Report(start, v1::ATTEMPT_PHASE_STARTED);
  worker.Expect(Message::kReportAck);
  worker.SendMetrics(start, 1, {1, 2});
  worker.Expect(Message::kEventAck);
  worker.Report(start, v1::ATTEMPT_PHASE_SUCCEEDED);
  worker.Expect(Message::kReportAck);
  EXPECT_FALSE(client.Get("job-none"));
  std::string text;
  for (int i = 0; i < 100 && text.find("state=\"succeeded\"} 1") == text.npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the gauges follow by ticks
    text = coordinator_.Metrics();
  }
  for (const char* line :
       {"lathe_jobs{state=\"succeeded\"} 1", "lathe_jobs{state=\"running\"} 0",
        "lathe_nodes{state=\"ready\"} 1", "lathe_cpu_slots{state=\"free\"} 1",
        "lathe_attempts_total{outcome=\"succeeded\"} 1", "lathe_queue_wait_seconds_count 1",
        "lathe_dispatch_latency_seconds_count 1", "lathe_leader_epoch 1",
        "lathe_events_stored_total{result=\"stored\"} 2",
        "lathe_rpc_duration_seconds_count{code=\"ok\",method=\"JobService/CreateJob\"} 1",
        "lathe_rpc_duration_seconds_count{code=\"not_found\",method=\"JobService/GetJob\"} 1",
        "lathe_redis_duration_seconds_count{op=\"commit\"}", "lathe_build_info{"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace lathe::testing
