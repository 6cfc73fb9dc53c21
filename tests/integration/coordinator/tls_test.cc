// TLS and mutual TLS with certificates made by the openssl program.

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include "common/base/child_process.h"
#include "common/base/temp_dir.h"
#include "common/rpc/channel.h"
#include "lathe/v1/job_service.grpc.pb.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

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
  const auto own =
      List(coordinator, {authority.File("client.crt"), authority.File("client.key"), ca});
  EXPECT_TRUE(own.ok()) << own.error_message();
  EXPECT_FALSE(List(coordinator, {{}, {}, ca}).ok());
  EXPECT_FALSE(
      List(coordinator, {stranger.File("client.crt"), stranger.File("client.key"), ca}).ok());
}

}  // namespace
}  // namespace lathe::testing
