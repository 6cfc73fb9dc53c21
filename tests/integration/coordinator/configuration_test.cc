// The configuration service and the library over real gRPC, with a real Redis.

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <map>

#include "common/rpc/status.h"
#include "lathe/v1/configuration_service.grpc.pb.h"
#include "tests/integration/coordinator/client.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

using ::testing::HasSubstr;
using Service = v1::ConfigurationService::Stub;

class ConfigurationTest : public ::testing::Test {
 protected:
  void SetUp() override { Connect(); }
  void Connect() {
    ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log();
    client_ = std::make_unique<TestClient>(coordinator_.Connect());
    stub_ = v1::ConfigurationService::NewStub(client_->channel());
  }
  /// A call by `user`; empty: one that does not say who makes it.
  template <class Stub, class Request, class Response>
  Result<Response> Call(Stub& stub,
                        grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                     Response*),
                        const Request& request, const std::string& user) {
    grpc::ClientContext context;
    if (!user.empty()) context.AddMetadata("lathe-user", user);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return Failure(rpc::FromStatus(status));
    return response;
  }
  Result<v1::SavedConfiguration> Save(const std::string& user, const std::string& name,
                                      const std::string& text) {
    v1::CreateSavedConfigurationRequest request;
    request.mutable_saved_configuration()->set_name(name);
    request.mutable_input()->set_text(text);
    return Call(*stub_, &Service::CreateSavedConfiguration, request, user);
  }
  Result<v1::SavedConfiguration> Get(const std::string& user, const std::string& name) {
    v1::GetSavedConfigurationRequest request;
    request.mutable_id()->set_owner("ann");
    request.mutable_id()->set_name(name);
    return Call(*stub_, &Service::GetSavedConfiguration, request, user);
  }
  Result<v1::CreateJobResponse> Submit(const v1::CreateJobRequest& request,
                                       const std::string& user = "ann") {
    return Call(client_->jobs(), &v1::JobService::Stub::CreateJob, request, user);
  }

  std::unique_ptr<RedisServer> redis_ = RedisServer::Start().value();
  CoordinatorProcess coordinator_{redis_->url()};
  std::unique_ptr<TestClient> client_;
  std::unique_ptr<Service> stub_;
};

TEST_F(ConfigurationTest, TheSchemaIsGivenInBothForms) {
  const auto schema = Call(*stub_, &Service::GetSchema, v1::GetSchemaRequest(), "");
  ASSERT_TRUE(schema) << ToString(schema.error());
  EXPECT_GE(schema->schema_version(), 1U);
  EXPECT_THAT(schema->json_schema(), HasSubstr("draft-07"));
  google::protobuf::FileDescriptorSet files;
  ASSERT_TRUE(files.ParseFromString(schema->descriptors()));
  EXPECT_EQ(files.file(files.file_size() - 1).name(), "lathe/v1/job_configuration.proto");
}

TEST_F(ConfigurationTest, ChecksAndConvertsOlderDialects) {
  v1::ValidateConfigurationRequest check;
  check.mutable_input()->set_text(R"({"rank":8,"alpha":16,"epochs":3,"learningRate":1e-4})");
  auto checked = Call(*stub_, &Service::ValidateConfiguration, check, "");
  ASSERT_TRUE(checked) << ToString(checked.error());
  EXPECT_EQ(checked->dialect(), "simple");
  EXPECT_FALSE(checked->valid()) << "no base model";
  check.set_template_("lora_quickstart");
  check.add_set("datasets.trainingFileId=sha256:" + std::string(64, 'a'));
  check.add_set("method.loraConfig.rank=9");
  checked = Call(*stub_, &Service::ValidateConfiguration, check, "");
  ASSERT_TRUE(checked && checked->valid()) << checked->ShortDebugString();
  std::map<std::string, std::string> sources;
  for (const auto& value : checked->values()) sources[value.path()] = value.source();
  EXPECT_EQ(sources["method.loraConfig.rank"], "user");
  EXPECT_EQ(sources["model.baseModel"], "template");
  EXPECT_EQ(sources["optimizer.beta1"], "default");

  v1::ConvertConfigurationRequest convert;
  *convert.mutable_input() = check.input();
  convert.set_target_dialect("universal");
  const auto converted = Call(*stub_, &Service::ConvertConfiguration, convert, "");
  ASSERT_TRUE(converted) << ToString(converted.error());
  EXPECT_THAT(converted->text(), HasSubstr("loraConfig"));
  convert.set_target_dialect("simpel");
  const auto unknown = Call(*stub_, &Service::ConvertConfiguration, convert, "");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("simple"));
}

TEST_F(ConfigurationTest, TemplatesAreOfferedAndCompared) {
  const auto templates = Call(*stub_, &Service::ListTemplates, v1::ListTemplatesRequest(), "");
  ASSERT_TRUE(templates);
  EXPECT_GE(templates->templates_size(), 11);
  v1::CompareConfigurationsRequest request;
  request.mutable_left()->set_template_("sft_toolbench");
  request.mutable_right()->set_template_("dpo_basic");
  const auto compared = Call(*stub_, &Service::CompareConfigurations, request, "");
  ASSERT_TRUE(compared) << ToString(compared.error());
  for (const auto& each : compared->differences()) EXPECT_FALSE(each.equal()) << each.path();
  EXPECT_GT(compared->differences_size(), 3);
  v1::GetTemplateRequest get;
  get.set_name("dpo_basics");
  const auto missing = Call(*stub_, &Service::GetTemplate, get, "");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("dpo_basic"));
}

TEST_F(ConfigurationTest, TheLibraryOutlivesTheCoordinator) {
  const auto saved = Save("ann", "mine", R"({"model":{"baseModel":"tiny"}})");
  ASSERT_TRUE(saved) << ToString(saved.error());
  EXPECT_EQ(Save("ann", "mine", "{}").error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(Save("", "mine", "{}").error().code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(Get("bob", "mine").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(Get("service:console", "mine"));
  coordinator_.Kill();
  coordinator_.Restart();
  Connect();
  const auto read = Get("ann", "mine");
  ASSERT_TRUE(read) << ToString(read.error());
  EXPECT_EQ(read->SerializeAsString(), saved->SerializeAsString());
}

TEST_F(ConfigurationTest, AnEtagConflictIsAborted) {
  ASSERT_TRUE(Save("ann", "mine", R"({"model":{"baseModel":"tiny"}})"));
  v1::UpdateSavedConfigurationRequest update;
  update.mutable_saved_configuration()->set_name("mine");
  update.mutable_saved_configuration()->set_etag("1");
  update.mutable_input()->set_text(R"({"model":{"baseModel":"tiny"},"seed":7})");
  EXPECT_EQ(Call(*stub_, &Service::UpdateSavedConfiguration, update, "ann")->etag(), "2");
  const auto conflict = Call(*stub_, &Service::UpdateSavedConfiguration, update, "ann");
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().code, ErrorCode::kAborted);
  EXPECT_THAT(conflict.error().message, HasSubstr("2 is there"));
}

TEST_F(ConfigurationTest, AJobFromASavedConfigurationCountsOnce) {
  ASSERT_TRUE(Save("ann", "mine", client_->Configuration()));
  v1::CreateJobRequest request;
  request.mutable_saved_configuration()->set_name("mine");
  request.add_set("schedule.epochs=2");
  request.set_request_id("r-1");
  const auto job = Submit(request);
  ASSERT_TRUE(job) << ToString(job.error());
  EXPECT_EQ(job->job().owner(), "ann");
  EXPECT_EQ(job->job().configuration_source(), "saved:ann/mine");
  EXPECT_EQ(job->job().configuration().schedule().epochs(), 2);
  EXPECT_EQ(Submit(request)->job().id(), job->job().id());
  EXPECT_EQ(Get("ann", "mine")->times_used(), 1U) << "a retried submission counts once";
  request.set_validate_only(true);
  ASSERT_TRUE(Submit(request));
  EXPECT_EQ(Get("ann", "mine")->times_used(), 1U) << "a dry run is no use";
  request.set_validate_only(false);
  request.set_request_id("r-2");
  ASSERT_TRUE(Submit(request));
  EXPECT_EQ(Get("ann", "mine")->times_used(), 2U);
  EXPECT_EQ(Get("ann", "mine")->etag(), "1");
  EXPECT_EQ(Submit(request, "bob").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Submit(request, "").error().code, ErrorCode::kUnauthenticated);
}

TEST_F(ConfigurationTest, AJobFromATemplateSaysSo) {
  v1::CreateJobRequest request;
  request.set_template_("lora_quickstart");
  request.add_set("model.baseModel=tiny");
  request.add_set("hardware.device=cpu");
  request.add_set("datasets.trainingFileId=" + client_->Upload("{}"));
  request.set_validate_only(true);
  const auto job = Submit(request);
  ASSERT_TRUE(job) << ToString(job.error());
  EXPECT_EQ(job->job().configuration_source(), "template:lora_quickstart");
  std::map<std::string, std::string> sources;
  for (const auto& value : job->values()) sources[value.path()] = value.source();
  EXPECT_EQ(sources["model.baseModel"], "user");
  EXPECT_EQ(sources["method.loraConfig.rank"], "template");
  request.set_template_("lora_quikstart");
  EXPECT_EQ(Submit(request).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lathe::testing
