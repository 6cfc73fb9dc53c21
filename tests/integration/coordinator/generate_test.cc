// Generated text on its way from a worker to the caller.

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/rpc/status.h"
#include "lathe/v1/inference_service.grpc.pb.h"
#include "tests/integration/coordinator/client.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/integration/coordinator/scripted_worker.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Message = v1::CoordinatorMessage;

class GenerateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log();
    stub_ = v1::InferenceService::NewStub(coordinator_.Connect());
    worker_ = std::make_unique<ScriptedWorker>(coordinator_.Connect());
    auto registration = ScriptedWorker::Registration("n1");
    registration.set_combines_adapters(true);
    worker_->Register(registration);
    worker_->Expect(Message::kWelcome);
  }
  /// A job that has run to its end, with an adapter of these weights.
  std::string Trained(const std::string& weights) {
    TestClient client(coordinator_.Connect());
    const std::string id = client.Create(client.Request()).value().job().id();
    const auto start = worker_->Expect(Message::kStartAttempt).start_attempt();
    worker_->Report(start, v1::ATTEMPT_PHASE_STARTED);
    v1::Manifest adapter;
    auto* file = adapter.add_files();
    file->set_path("adapter_model.safetensors");
    file->mutable_blob()->set_sha256(client.Upload(weights).substr(7));
    file->mutable_blob()->set_size_bytes(weights.size());
    worker_->Report(start, v1::ATTEMPT_PHASE_SUCCEEDED, adapter);
    EXPECT_TRUE(client.WaitFor(id, v1::JOB_STATE_SUCCEEDED));
    return id;
  }
  static void Add(v1::Composition& composition, const std::string& job, double weight) {
    v1::ComposedAdapter& adapter = *composition.add_adapters();
    adapter.set_job_id(job);
    adapter.set_weight(weight);
  }
  /// The status of a call that gets no answer.
  grpc::Status Refusal(const v1::GenerateRequest& request) {
    grpc::ClientContext context;
    const auto stream = stub_->Generate(&context, request);
    v1::GenerateResponse piece;
    EXPECT_FALSE(stream->Read(&piece));
    return stream->Finish();
  }
  static std::vector<std::string> PathsOf(const grpc::Status& status) {
    std::vector<std::string> paths;
    for (const Finding& finding : rpc::FromStatus(status).findings) paths.push_back(finding.path);
    return paths;
  }
  static v1::GenerateRequest Ask(const std::string& model) {
    v1::GenerateRequest request;
    request.set_model(model);
    auto* message = request.add_messages();
    message->set_role("user");
    message->set_content("Hello");
    return request;
  }
  void Answer(const std::string& id, const std::string& text, bool done) {
    v1::WorkerMessage message;
    auto& chunk = *message.mutable_generate_chunk();
    chunk.set_generation_id(id);
    chunk.set_text(text);
    chunk.set_done(done);
    if (done) chunk.set_finish_reason("stop");
    worker_->Write(message);
  }
  std::unique_ptr<RedisServer> redis_ = RedisServer::Start().value();
  CoordinatorProcess coordinator_{redis_->url()};
  std::unique_ptr<v1::InferenceService::Stub> stub_;
  std::unique_ptr<ScriptedWorker> worker_;
};

TEST_F(GenerateTest, PiecesReachTheCaller) {
  grpc::ClientContext context;
  const auto stream = stub_->Generate(&context, Ask("tiny"));
  const auto assignment = worker_->Expect(Message::kGenerate).generate();
  EXPECT_EQ(assignment.max_tokens(), 256);
  EXPECT_TRUE(assignment.has_temperature());
  EXPECT_EQ(assignment.temperature(), 0);
  EXPECT_EQ(assignment.top_p(), 1);
  EXPECT_EQ(assignment.seed(), 42);
  EXPECT_TRUE(assignment.has_top_k());
  EXPECT_EQ(assignment.repetition_penalty(), 1);
  Answer(assignment.generation_id(), "Good ", false);
  Answer(assignment.generation_id(), "day", true);
  v1::GenerateResponse piece;
  ASSERT_TRUE(stream->Read(&piece));
  EXPECT_EQ(piece.text(), "Good ");
  ASSERT_TRUE(stream->Read(&piece));
  EXPECT_EQ(piece.text(), "day");
  EXPECT_EQ(piece.finish_reason(), "stop");
  EXPECT_FALSE(stream->Read(&piece));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GenerateTest, HowToSampleReachesTheWorker) {
  v1::GenerateRequest request = Ask("tiny");
  request.set_temperature(100);
  request.set_top_k(50);
  request.set_repetition_penalty(1.25);
  request.add_stop("\n\n");
  grpc::ClientContext context;
  const auto stream = stub_->Generate(&context, request);
  const auto assignment = worker_->Expect(Message::kGenerate).generate();
  EXPECT_EQ(assignment.temperature(), 100);
  EXPECT_EQ(assignment.top_k(), 50);
  EXPECT_EQ(assignment.repetition_penalty(), 1.25);
  EXPECT_THAT(assignment.stop(), ::testing::ElementsAre("\n\n"));
  context.TryCancel();
}

TEST_F(GenerateTest, EverythingOutOfRangeIsToldAtOnce) {
  v1::GenerateRequest request = Ask("tiny");
  request.set_temperature(-1);
  request.set_top_p(2);
  request.set_top_k(1 << 25);
  request.set_repetition_penalty(std::numeric_limits<double>::quiet_NaN());
  request.add_stop("fine");
  request.add_stop("");
  request.add_stop(std::string(1, '\0'));
  const grpc::Status status = Refusal(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(PathsOf(status), ElementsAre("temperature", "topP", "topK", "repetitionPenalty",
                                           "stop[1]", "stop[2]"));
}

TEST_F(GenerateTest, ACompositionReachesTheWorkerWithTheFilesOfItsJobs) {
  const std::string first = Trained("one");
  const std::string second = Trained("another");
  v1::GenerateRequest request = Ask("");
  v1::Composition& composition = *request.mutable_composition();
  composition.set_method(v1::COMPOSITION_METHOD_GATED);
  Add(composition, second, 0.7);
  v1::ComposedAdapter& gated = *composition.add_adapters();
  gated.set_job_id(first);
  gated.add_weights(0.1);
  gated.add_weights(-0.2);
  gated.set_head_weight(0);
  grpc::ClientContext context;
  const auto stream = stub_->Generate(&context, request);
  const auto assignment = worker_->Expect(Message::kGenerate).generate();
  EXPECT_EQ(assignment.model(), "tiny");
  EXPECT_EQ(assignment.max_tokens(), 256);
  EXPECT_TRUE(assignment.adapter().files().empty());
  EXPECT_EQ(assignment.composition().SerializeAsString(), composition.SerializeAsString());
  ASSERT_EQ(assignment.composed_adapters_size(), 2);
  EXPECT_EQ(assignment.composed_adapters(0).files(0).blob().size_bytes(), 7U);
  EXPECT_EQ(assignment.composed_adapters(1).files(0).blob().size_bytes(), 3U);
  Answer(assignment.generation_id(), "Both", true);
  v1::GenerateResponse piece;
  ASSERT_TRUE(stream->Read(&piece));
  EXPECT_EQ(piece.text(), "Both");
  EXPECT_FALSE(stream->Read(&piece));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GenerateTest, WhatCannotBeCombinedIsToldAtOnceWithAllElse) {
  const std::string trained = Trained("one");
  TestClient client(coordinator_.Connect());
  const std::string waiting = client.Create(client.Request()).value().job().id();
  worker_->Expect(Message::kStartAttempt);
  v1::WorkerMessage facts;
  auto& shape = *facts.mutable_node_facts()->add_model_shapes();
  shape.set_name("tiny");
  for (auto set :
       {&v1::ModelShape::set_vocabulary, &v1::ModelShape::set_hidden, &v1::ModelShape::set_layers,
        &v1::ModelShape::set_heads, &v1::ModelShape::set_kv_heads, &v1::ModelShape::set_head_dim,
        &v1::ModelShape::set_intermediate}) {
    (shape.*set)(4);
  }
  worker_->Write(facts);
  v1::WorkerMessage heartbeat;
  heartbeat.mutable_heartbeat()->set_sequence(1);
  worker_->Write(heartbeat);
  worker_->Expect(Message::kHeartbeatAck);
  v1::GenerateRequest request = Ask("");
  request.set_temperature(-1);
  request.set_job_id(trained);
  v1::Composition& composition = *request.mutable_composition();
  composition.set_method(v1::COMPOSITION_METHOD_GATED);
  Add(composition, trained, 0.5);
  Add(composition, waiting, 101);
  Add(composition, "job-none", 1);
  composition.mutable_adapters(0)->clear_weight();
  for (int i = 0; i < 3; ++i) composition.mutable_adapters(0)->add_weights(1);
  grpc::Status status = Refusal(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(PathsOf(status),
              ElementsAre("temperature", "composition.adapters[1].weight", "composition",
                          "composition.adapters[1].jobId", "composition.adapters[2].jobId",
                          "composition.adapters[0].weights"));
  request.clear_temperature();
  request.clear_job_id();
  composition.mutable_adapters(0)->add_weights(1);
  composition.mutable_adapters(1)->set_weight(1);
  status = Refusal(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(PathsOf(status),
              ElementsAre("composition.adapters[1].jobId", "composition.adapters[2].jobId"));
  composition.mutable_adapters()->RemoveLast();
  status = Refusal(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "job " + waiting + " has no adapter: it is starting.");
}

TEST_F(GenerateTest, AWorkerOfAnEarlierReleaseIsSentNoComposition) {
  const std::string trained = Trained("one");
  v1::GenerateRequest request = Ask("");
  request.mutable_composition()->set_method(v1::COMPOSITION_METHOD_ADDITIVE);
  Add(*request.mutable_composition(), trained, 0.5);
  worker_ = std::make_unique<ScriptedWorker>(coordinator_.Connect());
  worker_->Register(ScriptedWorker::Registration("n1"));
  worker_->Expect(Message::kWelcome);
  const grpc::Status status = Refusal(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("can combine adapters"));
  ScriptedWorker newer(coordinator_.Connect());
  auto registration = ScriptedWorker::Registration("n2");
  registration.set_combines_adapters(true);
  newer.Register(registration);
  newer.Expect(Message::kWelcome);
  grpc::ClientContext context;
  const auto stream = stub_->Generate(&context, request);
  EXPECT_TRUE(newer.Expect(Message::kGenerate).generate().has_composition());
}

TEST_F(GenerateTest, TheMethodOfAJobIsThatOfItsConfiguration) {
  v1::WorkerMessage facts;
  facts.mutable_node_facts()->mutable_trainer();  // it lacks nothing
  worker_->Write(facts);
  TestClient client(coordinator_.Connect());
  v1::CreateJobRequest create = client.Request();
  create.add_set("method.type=full");
  const std::string full = client.Create(create).value().job().id();
  const auto start = worker_->Expect(Message::kStartAttempt).start_attempt();
  worker_->Report(start, v1::ATTEMPT_PHASE_STARTED);
  v1::Manifest model;
  model.add_files()->set_path("config.json");
  model.mutable_files(0)->mutable_blob()->set_sha256(client.Upload("{}").substr(7));
  model.mutable_files(0)->mutable_blob()->set_size_bytes(2);
  worker_->Report(start, v1::ATTEMPT_PHASE_SUCCEEDED, model);
  ASSERT_TRUE(client.WaitFor(full, v1::JOB_STATE_SUCCEEDED));
  v1::GenerateRequest request = Ask("");
  request.mutable_composition()->set_method(v1::COMPOSITION_METHOD_ADDITIVE);
  Add(*request.mutable_composition(), full, 0.5);
  const grpc::Status status = Refusal(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_EQ(rpc::FromStatus(status).findings.size(), 1U);
  EXPECT_EQ(rpc::FromStatus(status).findings[0].code, "whole_model");
}

TEST_F(GenerateTest, ACallerWhoGoesCancels) {
  grpc::ClientContext context;
  const auto stream = stub_->Generate(&context, Ask("tiny"));
  const auto assignment = worker_->Expect(Message::kGenerate).generate();
  context.TryCancel();
  const auto cancel = worker_->Expect(Message::kCancelGenerate).cancel_generate();
  EXPECT_EQ(cancel.generation_id(), assignment.generation_id());
}

TEST_F(GenerateTest, ALostWorkerIsUnavailable) {
  grpc::ClientContext context;
  const auto stream = stub_->Generate(&context, Ask("tiny"));
  worker_->Expect(Message::kGenerate);
  worker_.reset();
  v1::GenerateResponse piece;
  EXPECT_FALSE(stream->Read(&piece));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GenerateTest, UnknownModelsAndJobsAreNotFound) {
  for (const bool by_job : {false, true}) {
    v1::GenerateRequest request = Ask(by_job ? "" : "tinny");
    if (by_job) request.set_job_id("job-none");
    grpc::ClientContext context;
    const auto stream = stub_->Generate(&context, request);
    v1::GenerateResponse piece;
    EXPECT_FALSE(stream->Read(&piece));
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
  }
}

}  // namespace
}  // namespace lathe::testing
