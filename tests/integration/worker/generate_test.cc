// Answers by the real lathe-worker, with trainer processes that tell what they were asked.

#include <gmock/gmock.h>

#include <sstream>

#include "tests/integration/worker/worker_fixture.h"

namespace lathe::worker {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class GenerateTest : public WorkerTest {
 protected:
  void Ask(const std::string& id, const std::string& question, const std::string& model = "tiny") {
    v1::CoordinatorMessage message;
    v1::GenerateAssignment& assignment = *message.mutable_generate();
    assignment.set_generation_id(id);
    assignment.set_model(model);
    assignment.set_temperature(0.12345678);
    assignment.set_seed(7);
    assignment.set_top_k(40);
    assignment.add_stop("--end");
    auto& chat = *assignment.add_messages();
    chat.set_role("user");
    chat.set_content(question);
    coordinator_.Send(message);
  }
  std::optional<v1::GenerateChunk> LastChunk(const std::string& id) {
    const auto message = coordinator_.WaitFor([&](const v1::WorkerMessage& m) {
      return m.generate_chunk().generation_id() == id && m.generate_chunk().done();
    });
    return message ? std::optional(message->generate_chunk()) : std::nullopt;
  }
  std::string TextOf(const std::string& id) {
    std::string text;
    for (const auto& message : coordinator_.Heard()) {
      if (message.generate_chunk().generation_id() == id) text += message.generate_chunk().text();
    }
    return text;
  }
};

TEST_F(GenerateTest, StreamsAnAnswer) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Ask("g-1", "hello");
  const auto last = LastChunk("g-1");
  ASSERT_TRUE(last);
  EXPECT_FALSE(last->has_error()) << last->DebugString();
  EXPECT_EQ(last->tokens(), 3u);
  EXPECT_EQ(last->finish_reason(), "stop");
  EXPECT_THAT(TextOf("g-1"), HasSubstr("hello0 hello1 hello2 "));
  EXPECT_THAT(TextOf("g-1"),
              HasSubstr("--device cpu --temperature 0.12345678 --seed 7 --top-k 40 --stop=--end"));
}

TEST_F(GenerateTest, AdaptersAreFetchedAndCombinedAsToldAndNothingStays) {
  StartWorker();
  const auto registration = coordinator_.WaitForRegistration(1);
  ASSERT_TRUE(registration);
  EXPECT_TRUE(registration->combines_adapters());
  v1::CoordinatorMessage message;
  v1::GenerateAssignment& assignment = *message.mutable_generate();
  assignment.set_generation_id("g-1");
  assignment.set_model("tiny");
  assignment.add_messages()->set_content("hello");
  v1::Composition& composition = *assignment.mutable_composition();
  composition.set_method(v1::COMPOSITION_METHOD_GATED);
  const auto add = [&](const std::string& job) -> v1::ComposedAdapter& {
    auto* file = assignment.add_composed_adapters()->add_files();
    file->set_path("adapter_model.safetensors");
    *file->mutable_blob() = coordinator_.Put("weights of " + job);
    v1::ComposedAdapter& adapter = *composition.add_adapters();
    adapter.set_job_id(job);
    return adapter;
  };
  add("job-a").set_weight(0.1 + 0.2);
  v1::ComposedAdapter& gated = add("job-b=1,x");
  gated.add_weights(-0.5);
  gated.add_weights(1.0 / 3);
  gated.set_head_weight(2);
  add("job-c");
  coordinator_.Send(message);
  const auto last = LastChunk("g-1");
  ASSERT_TRUE(last);
  EXPECT_FALSE(last->has_error()) << last->DebugString();

  std::istringstream text(TextOf("g-1"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 5U) << TextOf("g-1");
  EXPECT_THAT(lines[0], AllOf(HasSubstr("/composition.json"), Not(HasSubstr("--adapter"))));
  const auto file = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(file["method"], "gated");
  EXPECT_THAT(lines[1], HasSubstr("\"weight\":0.30000000000000004"));
  EXPECT_THAT(lines[1], HasSubstr("\"weights\":[-0.5,0.3333333333333333]"));
  EXPECT_EQ(file["adapters"][1]["headWeight"], 2);
  EXPECT_EQ(fs::path(file["adapters"][1]["adapter"]).filename(), "job-b=1,x");
  EXPECT_EQ(file["adapters"][2]["weight"], 1);
  EXPECT_EQ(lines[2], "weights of job-a");
  EXPECT_EQ(lines[3], "weights of job-b=1,x");
  EXPECT_EQ(lines[4], "weights of job-c");
  const fs::path made = fs::path(file["adapters"][0]["adapter"]).parent_path();
  EXPECT_EQ(made.parent_path(), data_ / "answers");
  EXPECT_TRUE(Goes(made));
}

TEST_F(GenerateTest, WhatAKilledWorkersAnswersLeaveGoesWithTheNextOne) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Ask("g-1", "forever");
  ASSERT_TRUE(coordinator_.WaitFor([](const auto& m) { return m.has_generate_chunk(); }));
  KillWorker();
  EXPECT_FALSE(fs::is_empty(data_ / "answers"));
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(2));
  EXPECT_TRUE(fs::is_empty(data_ / "answers"));
}

TEST_F(GenerateTest, ACompositionThatDoesNotHoldTogetherIsAnError) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  const auto refusal = [&](const std::string& id, const v1::GenerateAssignment& given) {
    v1::CoordinatorMessage message;
    *message.mutable_generate() = given;
    message.mutable_generate()->set_generation_id(id);
    message.mutable_generate()->set_model("tiny");
    coordinator_.Send(message);
    return LastChunk(id)->error();
  };
  v1::GenerateAssignment assignment;
  v1::Composition& composition = *assignment.mutable_composition();
  composition.set_method(v1::COMPOSITION_METHOD_ADDITIVE);
  composition.add_adapters()->set_job_id("../job-a");
  EXPECT_THAT(refusal("g-1", assignment).message(), HasSubstr("the files of 0"));
  auto* file = assignment.add_composed_adapters()->add_files();
  file->set_path("x");
  *file->mutable_blob() = coordinator_.Put("x");
  EXPECT_EQ(refusal("g-2", assignment).message(), "'../job-a' is not a job id");
  composition.set_method(static_cast<v1::CompositionMethod>(9));
  EXPECT_THAT(refusal("g-3", assignment).message(), HasSubstr("composition method 9"));
  composition.set_method(v1::COMPOSITION_METHOD_ADDITIVE);
  composition.mutable_adapters(0)->set_job_id("job-a");
  file->mutable_blob()->set_sha256(std::string(64, 'a'));
  EXPECT_EQ(refusal("g-4", assignment).code(), "not_found");
}

TEST_F(GenerateTest, FailuresComeAsErrors) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  Ask("g-1", "fail");
  EXPECT_EQ(LastChunk("g-1")->error().code(), "invalid_argument");
  ASSERT_EQ(LastChunk("g-1")->error().findings_size(), 1);
  EXPECT_EQ(LastChunk("g-1")->error().findings(0).expected(), "e");
  Ask("g-2", "crash");
  EXPECT_THAT(LastChunk("g-2")->error().message(), HasSubstr("signal 9"));
  Ask("g-3", "hello", "unknown");
  EXPECT_EQ(LastChunk("g-3")->error().code(), "not_found");
}

TEST_F(GenerateTest, ABoundedNumberRunsAndCancelMakesRoom) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitForRegistration(1));
  for (const char* id : {"g-1", "g-2", "g-3"}) Ask(id, "forever");
  const auto refused = LastChunk("g-3");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->error().code(), "resource_exhausted");
  v1::CoordinatorMessage cancel;
  cancel.mutable_cancel_generate()->set_generation_id("g-1");
  coordinator_.Send(cancel);
  std::optional<v1::GenerateChunk> answer;
  for (int i = 0; i < 20 && (!answer || answer->has_error()); ++i) {
    ::usleep(100'000);  // A cancelled answer's process goes in its own time; nothing tells of it.
    const std::string id = "g-again-" + std::to_string(i);
    Ask(id, "hello");
    answer = LastChunk(id);
  }
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->has_error());
}

}  // namespace
}  // namespace lathe::worker
