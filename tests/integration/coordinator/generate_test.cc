// Generated text on its way from a worker to the caller.

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/rpc/status.h"
#include "lathe/v1/inference_service.grpc.pb.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/integration/coordinator/scripted_worker.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

using Message = v1::CoordinatorMessage;

class GenerateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log();
    stub_ = v1::InferenceService::NewStub(coordinator_.Connect());
    worker_ = std::make_unique<ScriptedWorker>(coordinator_.Connect());
    worker_->Register(ScriptedWorker::Registration("n1"));
    worker_->Expect(Message::kWelcome);
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
  grpc::ClientContext context;
  const auto stream = stub_->Generate(&context, request);
  v1::GenerateResponse piece;
  EXPECT_FALSE(stream->Read(&piece));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  std::vector<std::string> paths;
  for (const Finding& finding : rpc::FromStatus(status).findings) {
    paths.push_back(finding.path);
  }
  EXPECT_THAT(paths, ::testing::ElementsAre("temperature", "topP", "topK", "repetitionPenalty",
                                            "stop[1]", "stop[2]"));
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
