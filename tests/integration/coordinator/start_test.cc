// How the coordinator starts, and how it says that it can't.

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "lathe/v1/node_service.grpc.pb.h"
#include "tests/integration/coordinator/client.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/integration/coordinator/scripted_worker.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

using ::testing::HasSubstr;

TEST(CoordinatorStart, RedisDownNamesAddressAndRemedy) {
  CoordinatorProcess coordinator("unix:///nonexistent/redis.sock");
  EXPECT_EQ(coordinator.ExitCode(), 5);
  EXPECT_THAT(coordinator.Log(), HasSubstr("/nonexistent/redis.sock"));
  EXPECT_THAT(coordinator.Log(), HasSubstr("redis-server"));
}

TEST(CoordinatorStart, PortInUse) {
  const auto redis = RedisServer::Start().value();
  CoordinatorProcess first(redis->url());
  ASSERT_TRUE(first.WaitUntilServing()) << first.Log();
  CoordinatorProcess second(redis->url(), {"--listen=" + first.address(), "--redis-prefix=other:"});
  EXPECT_EQ(second.ExitCode(), 7);
  EXPECT_THAT(second.Log(), HasSubstr(first.address()));
  EXPECT_THAT(second.Log(), HasSubstr("in use"));
}

TEST(CoordinatorStart, MetricsPortInUse) {
  const auto redis = RedisServer::Start().value();
  CoordinatorProcess first(redis->url());
  ASSERT_TRUE(first.WaitUntilServing()) << first.Log();
  CoordinatorProcess second(redis->url(), {"--metrics-listen=" + first.address()});
  EXPECT_EQ(second.ExitCode(), 7);
  EXPECT_THAT(second.Log(), HasSubstr("metrics_listen"));
}

TEST(CoordinatorStart, ADataFolderHasOneCoordinator) {
  const auto redis = RedisServer::Start().value();
  CoordinatorProcess first(redis->url());
  ASSERT_TRUE(first.WaitUntilServing()) << first.Log();
  CoordinatorProcess second(redis->url(), {"--data-dir=" + (first.folder() / "data").string()});
  EXPECT_EQ(second.ExitCode(), 7);
  EXPECT_THAT(second.Log(), HasSubstr("in use by another coordinator"));
}

TEST(CoordinatorStart, WithoutTlsOnlyThisMachine) {
  CoordinatorProcess coordinator("unix:///nonexistent", {"--listen=0.0.0.0:0"});
  EXPECT_EQ(coordinator.ExitCode(), 6);
  EXPECT_THAT(coordinator.Log(), HasSubstr("tls.cert"));
}

TEST(CoordinatorStart, CheckConfigFindsEverything) {
  const TempDir dir = TempDir::Create().value();
  const auto file = dir.path() / "c.yaml";
  ASSERT_TRUE(WriteFileAtomically(file, "lisen: 127.0.0.1:0\nmax_attempts: none\n"));
  CoordinatorProcess wrong("unix:///x", {"--check-config", "--config=" + file.string()});
  EXPECT_EQ(wrong.ExitCode(), 6);
  EXPECT_THAT(wrong.Log(), HasSubstr("Did you mean listen?"));
  EXPECT_THAT(wrong.Log(), HasSubstr("max_attempts"));
  CoordinatorProcess right("unix:///x", {"--check-config"});
  EXPECT_EQ(right.ExitCode(), 0);
}

TEST(CoordinatorStart, NodesAreListedWithTheirModels) {
  const auto redis = RedisServer::Start().value();
  CoordinatorProcess coordinator(redis->url());
  ASSERT_TRUE(coordinator.WaitUntilServing()) << coordinator.Log();
  ScriptedWorker worker(coordinator.Connect());
  worker.Register(ScriptedWorker::Registration("n1"));
  worker.Expect(v1::CoordinatorMessage::kWelcome);
  const auto stub = v1::NodeService::NewStub(coordinator.Connect());
  grpc::ClientContext context;
  v1::ListNodesResponse response;
  ASSERT_TRUE(stub->ListNodes(&context, {}, &response).ok());
  ASSERT_EQ(response.nodes_size(), 1);
  EXPECT_EQ(response.nodes(0).id(), "n1");
  EXPECT_EQ(response.nodes(0).state(), v1::NODE_STATE_READY);
  EXPECT_EQ(response.nodes(0).models(0), "tiny");
  EXPECT_GT(response.nodes(0).last_heartbeat().seconds(), 0);
  EXPECT_NE(response.coordinator_version(), "");
}

}  // namespace
}  // namespace lathe::testing
