// Generated text on its way from a worker to the caller.

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

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
  EXPECT_EQ(assignment.max_tokens(), 128U);
  EXPECT_EQ(assignment.top_p(), 1);
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
