// TLS and mutual TLS with certificates made by the openssl program.

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include "common/artifacts/client.h"
#include "common/base/child_process.h"
#include "common/base/temp_dir.h"
#include "common/rpc/channel.h"
#include "lathe/v1/job_service.grpc.pb.h"
#include "lathe/v1/node_service.grpc.pb.h"
#include "tests/integration/coordinator/client.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/integration/coordinator/scripted_worker.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

using ::testing::HasSubstr;

class Authority {
 public:
  explicit Authority(std::string name) : name_(std::move(name)) {
    OpenSsl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", "/CN=" + name_, "-days", "2", "-keyout", File("ca.key"), "-out",
             File("ca.crt")});
  }
  /// A certificate for 127.0.0.1 that this authority signed: NAME.crt and NAME.key.
  void Sign(const std::string& subject) {
    OpenSsl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=" + subject, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
             File(subject + ".key"), "-out", File(subject + ".csr")});
    OpenSsl({"x509", "-req", "-in", File(subject + ".csr"), "-CA", File("ca.crt"), "-CAkey",
             File("ca.key"), "-CAcreateserial", "-copy_extensions", "copy", "-days", "2", "-out",
             File(subject + ".crt")});
  }
  std::string File(const std::string& file) const { return (dir_.path() / file).string(); }
  /// What a client with such a certificate calls with.
  rpc::TlsFiles Client(const std::string& subject) const {
    return {File(subject + ".crt"), File(subject + ".key"), File("ca.crt")};
  }

 private:
  static void OpenSsl(std::vector<std::string> arguments) {
    auto openssl = ChildProcess::Start({.program = "openssl", .arguments = std::move(arguments)});
    ASSERT_TRUE(openssl);
    ASSERT_TRUE(openssl->Wait().Succeeded());
  }
  std::string name_;
  TempDir dir_ = TempDir::Create().value();
};

grpc::Status List(const CoordinatorProcess& coordinator, const rpc::TlsFiles& tls) {
  const auto stub = v1::JobService::NewStub(coordinator.Connect(tls));
  grpc::ClientContext context;
  rpc::SetTimeout(context, std::chrono::seconds(5));
  v1::ListJobsResponse response;
  return stub->ListJobs(&context, {}, &response);
}

TEST(CoordinatorTls, EncryptedAndNamed) {
  const auto redis = RedisServer::Start().value();
  Authority authority("authority");
  Authority stranger("stranger");
  authority.Sign("server");
  CoordinatorProcess coordinator(redis->url(), {"--tls-cert=" + authority.File("server.crt"),
                                                "--tls-key=" + authority.File("server.key")});
  ASSERT_TRUE(coordinator.WaitUntilServing()) << coordinator.Log();
  EXPECT_TRUE(List(coordinator, {{}, {}, authority.File("ca.crt")}).ok());
  EXPECT_FALSE(List(coordinator, {{}, {}, stranger.File("ca.crt")}).ok());
  EXPECT_FALSE(List(coordinator, {}).ok()) << "without TLS nobody is answered";
}

TEST(CoordinatorTls, MutualTlsWantsAClientOfItsAuthority) {
  const auto redis = RedisServer::Start().value();
  Authority authority("authority");
  Authority stranger("stranger");
  authority.Sign("server");
  authority.Sign("client");
  stranger.Sign("client");
  CoordinatorProcess coordinator(redis->url(), {"--tls-cert=" + authority.File("server.crt"),
                                                "--tls-key=" + authority.File("server.key"),
                                                "--tls-client-ca=" + authority.File("ca.crt")});
  ASSERT_TRUE(coordinator.WaitUntilServing()) << coordinator.Log();
  const std::string ca = authority.File("ca.crt");
  const auto own = List(coordinator, authority.Client("client"));
  EXPECT_TRUE(own.ok()) << own.error_message();
  EXPECT_FALSE(List(coordinator, {{}, {}, ca}).ok());
  EXPECT_FALSE(
      List(coordinator, {stranger.File("client.crt"), stranger.File("client.key"), ca}).ok());
}

/// A coordinator with mutual TLS, and certificates of a person and of the worker of node-1.
class Roles : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* subject : {"server", "ann", "worker:node-1"}) authority_.Sign(subject);
    coordinator_.emplace(redis_->url(),
                         std::vector<std::string>{"--tls-cert=" + authority_.File("server.crt"),
                                                  "--tls-key=" + authority_.File("server.key"),
                                                  "--tls-client-ca=" + authority_.File("ca.crt")});
    ASSERT_TRUE(coordinator_->WaitUntilServing()) << coordinator_->Log();
  }
  std::shared_ptr<grpc::Channel> As(const std::string& subject) {
    return coordinator_->Connect(authority_.Client(subject));
  }
  /// How a session ends that asks to be that node.
  grpc::Status Refused(const std::string& subject, const std::string& node) {
    ScriptedWorker worker(As(subject));
    worker.Register(ScriptedWorker::Registration(node));
    return worker.Finish();
  }
  int CountNodes() {
    const auto stub = v1::NodeService::NewStub(As("ann"));
    grpc::ClientContext context;
    v1::ListNodesResponse response;
    EXPECT_TRUE(stub->ListNodes(&context, {}, &response).ok());
    return response.nodes_size();
  }

  std::unique_ptr<RedisServer> redis_ = RedisServer::Start().value();
  Authority authority_{"authority"};
  std::optional<CoordinatorProcess> coordinator_;
};

TEST_F(Roles, APersonIsNoWorker) {
  const grpc::Status status = Refused("ann", "node-1");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("\"worker:NODE\""));
  EXPECT_THAT(status.error_message(), HasSubstr("\"ann\""));
  EXPECT_THAT(status.error_message(), HasSubstr("deploy/docs/certificates.md"));
  EXPECT_EQ(CountNodes(), 0);
  EXPECT_THAT(coordinator_->Log(), HasSubstr("call_refused caller=ann"));
}

TEST_F(Roles, AWorkerIsItsOwnNodeAlone) {
  ScriptedWorker right(As("worker:node-1"));
  right.Register(ScriptedWorker::Registration("node-1"));
  right.Expect(v1::CoordinatorMessage::kWelcome);

  const grpc::Status status = Refused("worker:node-1", "node-2");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("node \"node-1\" alone, not \"node-2\""));
  EXPECT_EQ(CountNodes(), 1);
  authority_.Sign("worker:node-2");
  EXPECT_EQ(Refused("worker:node-2", "node-1").error_code(), grpc::StatusCode::PERMISSION_DENIED);
  v1::WorkerMessage heartbeat;
  heartbeat.mutable_heartbeat()->set_sequence(1);
  EXPECT_TRUE(right.Write(heartbeat));
  right.Expect(v1::CoordinatorMessage::kHeartbeatAck);  // nobody has taken its place
}

TEST_F(Roles, AWorkersCertificateIsNotForWhatPeopleDo) {
  ScriptedWorker node(As("worker:node-1"));
  node.Register(ScriptedWorker::Registration("node-1"));
  node.Expect(v1::CoordinatorMessage::kWelcome);
  TestClient person(As("ann"));
  const v1::CreateJobRequest request = person.Request();
  const auto job = person.Create(request);
  ASSERT_TRUE(job) << job.error().message;

  TestClient worker(As("worker:node-1"));
  const std::string id = job->job().id();
  const auto expect_refusal = [](const auto& answer) {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kPermissionDenied);
    EXPECT_THAT(answer.error().message, HasSubstr("a worker may not call JobService/"));
    EXPECT_THAT(answer.error().message, HasSubstr("\"worker:node-1\""));
  };
  expect_refusal(worker.Create(request));
  expect_refusal(worker.Get(id));
  expect_refusal(worker.Cancel(id));
  expect_refusal(worker.List());
  EXPECT_EQ(person.List()->jobs_size(), 1);

  const artifacts::Client artifacts(As("worker:node-1"));
  const auto blob = artifacts.UploadBytes("bytes");
  ASSERT_TRUE(blob) << blob.error().message;
  const TempDir dir = TempDir::Create().value();
  EXPECT_TRUE(artifacts.Download(*blob, dir.path() / "bytes"));
}

}  // namespace
}  // namespace lathe::testing
