// What CreateJob and ListJobs accept, refuse and answer.

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <set>

#include "common/secrets/keyring.h"
#include "tests/integration/coordinator/client.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/integration/coordinator/scripted_worker.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CreateJobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log();
    client_ = std::make_unique<TestClient>(coordinator_.Connect());
  }
  v1::CreateJobRequest With(const std::string& json) {
    v1::CreateJobRequest request;
    request.set_configuration_json(json);
    return request;
  }
  /// The codes of the findings by their paths.
  static std::vector<std::string> Codes(const Error& error) {
    std::vector<std::string> codes;
    for (const Finding& finding : error.findings)
      codes.push_back(finding.path + ":" + finding.code);
    return codes;
  }

  std::unique_ptr<RedisServer> redis_ = RedisServer::Start().value();
  static std::filesystem::path MadeKeyFile(const TempDir& folder) {
    const auto file = folder.path() / "secrets.key";
    EXPECT_TRUE(secrets::CreateKeyFileIfAbsent(file));
    return file;
  }
  TempDir keys_ = TempDir::Create("keys").value();
  CoordinatorProcess coordinator_{redis_->url(),
                                  {"--secrets-key-file=" + MadeKeyFile(keys_).string()}};
  std::unique_ptr<TestClient> client_;
};

TEST_F(CreateJobTest, TheSameRequestIdGivesTheSameJob) {
  auto request = client_->Request();
  request.set_request_id("11111111-2222");
  const std::string first = client_->Create(request).value().job().id();
  EXPECT_EQ(client_->Create(request).value().job().id(), first);
  EXPECT_EQ(client_->List().value().jobs_size(), 1);
  request.set_priority(3);
  EXPECT_EQ(client_->Create(request).error().code, ErrorCode::kAlreadyExists);
}

TEST_F(CreateJobTest, ValidateOnlyStoresNothing) {
  auto request = client_->Request();
  request.set_validate_only(true);
  const auto response = client_->Create(request).value();
  EXPECT_EQ(response.job().id(), "");
  EXPECT_THAT(response.resolved_configuration_json(), HasSubstr("\"rank\":8"));
  EXPECT_EQ(client_->List().value().jobs_size(), 0);
}

TEST_F(CreateJobTest, ABriefAnswerLeavesOutWhatOnlyExplainsIt) {
  auto request = client_->Request();
  const auto whole = client_->Create(request).value();
  request.set_brief(true);
  const auto brief = client_->Create(request).value();
  EXPECT_GT(whole.values_size(), 0);
  EXPECT_EQ(brief.values_size(), 0);
  EXPECT_EQ(brief.resolved_configuration_json(), "");
  EXPECT_EQ(brief.job().configuration().DebugString(), whole.job().configuration().DebugString());
  EXPECT_EQ(brief.findings_size(), whole.findings_size());
}

TEST_F(CreateJobTest, ManyCallsWaitAtOnce) {
  constexpr int kCalls = 300;
  const auto request = client_->Request();
  std::vector<grpc::ClientContext> contexts(kCalls);
  std::vector<v1::CreateJobResponse> responses(kCalls);
  std::atomic<int> stored = 0;
  std::latch answered(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    client_->jobs().async()->CreateJob(&contexts[i], &request, &responses[i],
                                       [&](const grpc::Status& status) {
                                         if (status.ok()) ++stored;
                                         answered.count_down();
                                       });
  }
  answered.wait();
  EXPECT_EQ(stored, kCalls);
  std::set<std::string> ids;
  for (const auto& response : responses) ids.insert(response.job().id());
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kCalls));
  v1::ListJobsRequest all;
  all.set_page_size(1000);
  EXPECT_EQ(client_->List(all).value().jobs_size(), kCalls);
}

TEST_F(CreateJobTest, AllFindingsAtOnce) {
  const Error error = client_
                          ->Create(With(R"({"model":{"baseModell":"tiny"},
      "datasets":{"trainingFileId":"sha256:0000000000000000000000000000000000000000000000000000000000000000",
                  "validationFileId":")" +
                                        client_->Upload("") + R"("},
      "method":{"loraConfig":{"rank":1000}}})"))
                          .error();
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(Codes(error), ::testing::IsSupersetOf({"datasets.trainingFileId:not_found",
                                                     "datasets.validationFileId:empty_dataset",
                                                     "method.loraConfig.rank:out_of_range"}));
  EXPECT_THAT(ToString(error), HasSubstr("baseModel"));
  EXPECT_EQ(client_->List().value().jobs_size(), 0);
}

TEST_F(CreateJobTest, UnknownBaseModels) {
  const auto before = client_->Create(client_->Request()).value();
  ASSERT_EQ(before.findings_size(), 1) << "no node has registered: a warning only";
  EXPECT_EQ(before.findings(0).code(), "no_node_registered");
  ScriptedWorker worker(coordinator_.Connect());
  auto registration = ScriptedWorker::Registration("n1");
  registration.clear_models();
  registration.add_models("smollm2-135m");
  worker.Register(registration);
  worker.Expect(v1::CoordinatorMessage::kWelcome);
  auto request = client_->Request();
  request.set_configuration_json(R"({"model":{"baseModel":"smollm2-135"},"datasets":)"
                                 R"({"trainingFileId":")" +
                                 client_->Upload("x") + "\"}}");
  const Error error = client_->Create(request).error();
  ASSERT_EQ(error.findings.size(), 1U) << ToString(error);
  EXPECT_EQ(error.findings[0].code, "unknown_model");
  EXPECT_THAT(error.findings[0].message, HasSubstr("smollm2-135m"));
}

TEST_F(CreateJobTest, SecretsAreNeverShown) {
  auto request = client_->Request();
  std::string json = request.configuration_json();
  json.pop_back();
  request.set_configuration_json(json + R"(,"integrations":{"wandb":{"apiKey":"s3cret-key"}}})");
  const auto created = client_->Create(request).value();
  EXPECT_THAT(created.DebugString(), Not(HasSubstr("s3cret-key")));
  EXPECT_THAT(client_->Get(created.job().id()).value().DebugString(), Not(HasSubstr("s3cret-key")));
}

// What is stored of a secret differs each time; the request is the same all the same.
TEST_F(CreateJobTest, RequestsWithSecretsRepeat) {
  auto request = client_->Request();
  std::string json = request.configuration_json();
  json.pop_back();
  request.set_request_id("with-secret");
  request.set_configuration_json(json + R"(,"integrations":{"wandb":{"apiKey":"s3cret"}}})");
  const std::string first = client_->Create(request).value().job().id();
  EXPECT_EQ(client_->Create(request).value().job().id(), first);
  request.set_configuration_json(json + R"(,"integrations":{"wandb":{"apiKey":"other"}}})");
  EXPECT_EQ(client_->Create(request).error().code, ErrorCode::kAlreadyExists);
}

TEST_F(CreateJobTest, SecretsOfAnEarlierJobAreForTheUserWhoSubmittedIt) {
  constexpr char kNobody[] = "";
  struct {
    const char* submitted;
    const char* again;
    bool goes_along;
  } const cases[] = {
      {"ann", "ann", true},    {"ann", "bob", false},   {"ann", "service:console", false},
      {"ann", kNobody, false}, {kNobody, "ann", false}, {kNobody, kNobody, false}};
  for (const auto& [submitted, again, goes_along] : cases) {
    SCOPED_TRACE(std::string("submitted by \"") + submitted + "\", again by \"" + again + '"');
    auto request = client_->Request();
    std::string json = request.configuration_json();
    json.pop_back();
    request.set_configuration_json(json + R"(,"integrations":{"wandb":{"apiKey":"s3cret"}}})");
    TestClient first(coordinator_.Connect(), submitted);
    const std::string id = first.Create(request).value().job().id();
    v1::CreateJobRequest copy;
    copy.set_source_job(id);
    TestClient second(coordinator_.Connect(), again);
    const auto created = second.Create(copy);
    ASSERT_TRUE(created) << ToString(created.error());
    const std::string& resolved = created->resolved_configuration_json();
    EXPECT_EQ(resolved.find("<redacted>") != std::string::npos, goes_along) << resolved;
    const auto& findings = created->findings();
    const bool told = std::any_of(findings.begin(), findings.end(), [&](const v1::Finding& each) {
      return each.code() == "left_out" && each.message().find(id) != std::string::npos;
    });
    EXPECT_EQ(told, !goes_along);
  }
}

TEST_F(CreateJobTest, ListsInPagesNewestFirst) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.insert(ids.begin(), client_->Create(client_->Request()).value().job().id());
  }
  ASSERT_TRUE(client_->Cancel(ids[1]));
  std::vector<std::string> listed;
  v1::ListJobsRequest request;
  request.set_page_size(2);
  int pages = 0;
  do {
    const auto page = client_->List(request).value();
    for (const auto& job : page.jobs()) listed.push_back(job.id());
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, ids);
  EXPECT_EQ(pages, 3);
  v1::ListJobsRequest cancelled;
  cancelled.add_states(v1::JOB_STATE_CANCELLED);
  const auto only = client_->List(cancelled).value();
  ASSERT_EQ(only.jobs_size(), 1);
  EXPECT_EQ(only.jobs(0).id(), ids[1]);
  cancelled.add_states(v1::JOB_STATE_UNSPECIFIED);
  EXPECT_EQ(client_->List(cancelled).error().code, ErrorCode::kInvalidArgument);
  v1::ListJobsRequest bad;
  bad.set_page_token("nonsense");
  EXPECT_EQ(client_->List(bad).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lathe::testing
