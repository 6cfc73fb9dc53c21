#include "coordinator/access/roles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "lathe/v1/artifact_service.pb.h"
#include "lathe/v1/configuration_service.pb.h"
#include "lathe/v1/inference_service.pb.h"
#include "lathe/v1/job_service.pb.h"
#include "lathe/v1/node_service.pb.h"
#include "lathe/v1/provider_service.pb.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::access {
namespace {

using ::testing::HasSubstr;

constexpr char kSession[] = "/lathe.v1.WorkerService/Session";

/// Every method of the API, as on the wire.
std::set<std::string> Methods() {
  std::set<std::string> methods;
  for (const google::protobuf::Descriptor* message :
       {v1::DownloadBlobRequest::descriptor(), v1::GetSchemaRequest::descriptor(),
        v1::GenerateRequest::descriptor(), v1::CreateJobRequest::descriptor(),
        v1::ListNodesRequest::descriptor(), v1::ListProvidersRequest::descriptor(),
        v1::WorkerMessage::descriptor()}) {
    const google::protobuf::FileDescriptor& file = *message->file();
    for (int i = 0; i < file.service_count(); ++i) {
      const google::protobuf::ServiceDescriptor& service = *file.service(i);
      for (int j = 0; j < service.method_count(); ++j) {
        methods.insert("/" + service.full_name() + "/" + service.method(j)->name());
      }
    }
  }
  return methods;
}

std::set<std::string> RefusedTo(const std::string& name) {
  std::set<std::string> refused;
  for (const std::string& method : Methods()) {
    const Status allowed = MayCall(name, method);
    if (allowed) continue;
    EXPECT_EQ(allowed.error().code, ErrorCode::kPermissionDenied) << method;
    refused.insert(method);
  }
  return refused;
}

TEST(MayCall, OnlyAWorkerOpensASession) {
  for (const char* name : {"ann", "service:console", "", "workers", "Worker:gpu-1", " worker:x"}) {
    EXPECT_EQ(RefusedTo(name), std::set<std::string>{kSession}) << name;
  }
}

TEST(MayCall, AWorkerMakesAWorkersCallsAlone) {
  std::set<std::string> others = Methods();
  for (const char* own :
       {kSession, "/lathe.v1.ArtifactService/FindMissingBlobs",
        "/lathe.v1.ArtifactService/UploadBlob", "/lathe.v1.ArtifactService/DownloadBlob"}) {
    EXPECT_EQ(others.erase(own), 1U) << own << " is no method of the API";
  }
  EXPECT_EQ(RefusedTo("worker:gpu-1"), others);
  EXPECT_FALSE(MayCall("worker:gpu-1", "/lathe.v1.ArtifactService/AddedLater"));
  EXPECT_FALSE(MayCall("worker:gpu-1", ""));
}

TEST(MayCall, SaysWhatTheNameWouldHaveToBe) {
  const std::string person = MayCall("ann", kSession).error().message;
  for (const char* word : {"\"worker:NODE\"", "\"ann\"", "deploy/docs/certificates.md"}) {
    EXPECT_THAT(person, HasSubstr(word));
  }
  EXPECT_THAT(MayCall("", kSession).error().message, HasSubstr("this certificate has none"));
  const std::string worker =
      MayCall("worker:gpu-1", "/lathe.v1.JobService/CreateJob").error().message;
  for (const char* word : {"JobService/CreateJob", "\"worker:gpu-1\"", "does not begin with",
                           "deploy/docs/certificates.md"}) {
    EXPECT_THAT(worker, HasSubstr(word));
  }
}

TEST(MayBeNode, AWorkerIsTheNodeOfItsCertificateAlone) {
  EXPECT_TRUE(MayBeNode("worker:gpu-1", "gpu-1"));
  for (const char* other : {"gpu-2", "gpu-10", "gpu-", "", "worker:gpu-1"}) {
    const Status allowed = MayBeNode("worker:gpu-1", other);
    ASSERT_FALSE(allowed) << other;
    EXPECT_EQ(allowed.error().code, ErrorCode::kPermissionDenied);
  }
  const std::string told = MayBeNode("worker:gpu-1", "gpu-2").error().message;
  for (const char* word : {"node \"gpu-1\" alone", "not \"gpu-2\"", "node_id", "\"worker:gpu-2\"",
                           "deploy/docs/certificates.md"}) {
    EXPECT_THAT(told, HasSubstr(word));
  }
}

TEST(MayBeNode, WhoIsNoWorkerIsNoNode) {
  for (const char* name : {"gpu-1", "", "service:gpu-1", "worker:"}) {
    const Status allowed = MayBeNode(name, "gpu-1");
    ASSERT_FALSE(allowed) << name;
    EXPECT_EQ(allowed.error().code, ErrorCode::kPermissionDenied);
    EXPECT_THAT(allowed.error().message, HasSubstr("\"worker:NODE\""));
  }
  EXPECT_FALSE(MayBeNode("worker:", ""));
}

}  // namespace
}  // namespace lathe::access
