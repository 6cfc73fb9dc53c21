// Commands against a coordinator that says what the test wants it to say.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/base/temp_dir.h"
#include "common/rpc/status.h"
#include "tests/coordinator/cli/cli_runner.h"
#include "tests/coordinator/cli/scripted_coordinator.h"

namespace lathe::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

constexpr char kJobId[] = "job-abcdefghijkl";

v1::Job JobIn(v1::JobState state, const std::string& reason = "") {
  v1::Job job;
  job.set_id(kJobId);
  job.set_state(state);
  job.set_reason(reason);
  return job;
}

void WaitWhile(grpc::ServerContext& context) {
  while (!context.IsCancelled()) std::this_thread::sleep_for(5ms);
}

class ConversationTest : public ::testing::Test {
 protected:
  RunResult Run(std::vector<std::string> words, const std::string& input = "") {
    words.insert(words.begin(), {"--address", coordinator_.address()});
    return runner_.Run(words, input);
  }
  /// A coordinator with these jobs, two a page.
  void ServeJobs(std::vector<std::string> ids) {
    coordinator_.list_jobs = [ids](const v1::ListJobsRequest& request,
                                   v1::ListJobsResponse& response) {
      const std::size_t start = request.page_token().empty() ? 0 : std::stoul(request.page_token());
      for (std::size_t i = start; i < std::min(start + 2, ids.size()); ++i) {
        response.add_jobs()->set_id(ids[i]);
      }
      if (start + 2 < ids.size()) response.set_next_page_token(std::to_string(start + 2));
      return grpc::Status::OK;
    };
    coordinator_.get_job = [](const v1::GetJobRequest& request, v1::Job& job) {
      job.set_id(request.id());
      return grpc::Status::OK;
    };
    coordinator_.Start();
  }

  CliRunner runner_;
  ScriptedCoordinator coordinator_;
};

TEST_F(ConversationTest, ListReadsEveryPageUpToTheLimit) {
  ServeJobs({"job-a", "job-b", "job-c", "job-d", "job-e"});
  EXPECT_EQ(nlohmann::json::parse(Run({"list", "-o", "json"}).out).size(), 5U);
  EXPECT_EQ(nlohmann::json::parse(Run({"list", "--limit", "0", "-o", "json"}).out).size(), 5U);
  EXPECT_THAT(Run({"list"}).out, HasSubstr("job-e"));
}

TEST_F(ConversationTest, AnIdMayBeGivenByItsBeginning) {
  ServeJobs({"job-aaaaaaaaaaaa", "job-abcdefghijkl", "job-bbbbbbbbbbbb"});
  EXPECT_EQ(nlohmann::json::parse(Run({"get", "b", "-o", "json"}).out)["id"], "job-bbbbbbbbbbbb");
  EXPECT_EQ(nlohmann::json::parse(Run({"get", "job-ab", "-o", "json"}).out)["id"], kJobId);
  const RunResult ambiguous = Run({"get", "a"});
  EXPECT_EQ(ambiguous.code, ExitCode::kConflict);
  EXPECT_THAT(ambiguous.err, HasSubstr("job-aaaaaaaaaaaa job-abcdefghijkl"));
  EXPECT_EQ(Run({"get", "z"}).code, ExitCode::kNotFound);
}

TEST_F(ConversationTest, WatchOnAPipe) {
  coordinator_.watch_job = [](grpc::ServerContext&, const v1::WatchJobRequest&,
                              grpc::ServerWriter<v1::Job>& writer) {
    writer.Write(JobIn(v1::JOB_STATE_PENDING, "waiting for a free CPU slot"));
    writer.Write(JobIn(v1::JOB_STATE_RUNNING));
    writer.Write(JobIn(v1::JOB_STATE_SUCCEEDED));
    return grpc::Status::OK;
  };
  coordinator_.Start();
  const RunResult result = Run({"watch", kJobId});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_EQ(result.out, "pending: waiting for a free CPU slot\nrunning\nsucceeded\n");
  const RunResult json = Run({"watch", kJobId, "-o", "json"});
  std::istringstream lines(json.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_EQ(nlohmann::json::parse(line)["id"], kJobId);
  }
  EXPECT_EQ(count, 3);
}

TEST_F(ConversationTest, WatchOnATerminalDrawsThePlotInPlace) {
  std::atomic<bool> metrics_sent = false;
  coordinator_.watch_job = [&](grpc::ServerContext&, const v1::WatchJobRequest&,
                               grpc::ServerWriter<v1::Job>& writer) {
    writer.Write(JobIn(v1::JOB_STATE_RUNNING));
    while (!metrics_sent) std::this_thread::sleep_for(5ms);
    std::this_thread::sleep_for(400ms);
    writer.Write(JobIn(v1::JOB_STATE_SUCCEEDED));
    return grpc::Status::OK;
  };
  coordinator_.stream_events = [&](grpc::ServerContext& context, const v1::StreamJobEventsRequest&,
                                   grpc::ServerWriter<v1::JobEvent>& writer) {
    for (int step = 1; step <= 10; ++step) {
      v1::JobEvent event;
      event.set_id("1-" + std::to_string(step));
      event.set_type("metric");
      event.set_json("{\"step\":" + std::to_string(step) +
                     ",\"loss\":" + std::to_string(5 - step * 0.25) + "}");
      writer.Write(event);
    }
    metrics_sent = true;
    WaitWhile(context);
    return grpc::Status::OK;
  };
  coordinator_.Start();
  runner_.terminal = {.out = true, .width = 60};
  const RunResult result = Run({"watch", kJobId});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("A\r\033[2Kjob-"));  // drawn over an earlier frame
  EXPECT_THAT(result.out, HasSubstr("4.75 │"));
  EXPECT_THAT(result.out, HasSubstr("succeeded"));
}

TEST_F(ConversationTest, WatchOfAFailedJobFailsWithItsReason) {
  coordinator_.watch_job = [](grpc::ServerContext&, const v1::WatchJobRequest&,
                              grpc::ServerWriter<v1::Job>& writer) {
    writer.Write(JobIn(v1::JOB_STATE_FAILED, "train.jsonl:5: not JSON"));
    return grpc::Status::OK;
  };
  coordinator_.Start();
  const RunResult result = Run({"watch", kJobId});
  EXPECT_EQ(result.code, ExitCode::kFailed);
  EXPECT_THAT(result.err, HasSubstr("train.jsonl:5: not JSON"));
}

TEST_F(ConversationTest, WatchOutlivesARestartOfTheCoordinator) {
  std::atomic<int> calls = 0;
  coordinator_.watch_job = [&](grpc::ServerContext& context, const v1::WatchJobRequest&,
                               grpc::ServerWriter<v1::Job>& writer) {
    writer.Write(JobIn(calls++ == 0 ? v1::JOB_STATE_RUNNING : v1::JOB_STATE_SUCCEEDED));
    if (calls == 1) WaitWhile(context);
    return grpc::Status::OK;
  };
  coordinator_.Start();
  std::thread restart([&] {
    while (calls == 0) std::this_thread::sleep_for(5ms);
    coordinator_.Stop();
    std::this_thread::sleep_for(300ms);
    coordinator_.Start();
  });
  const RunResult result = Run({"watch", kJobId});
  restart.join();
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(result.err, HasSubstr("reconnecting"));
}

TEST_F(ConversationTest, FollowedLogsGoOnWhereTheyWere) {
  std::atomic<int> calls = 0;
  std::string resumed_after;
  coordinator_.stream_events = [&](grpc::ServerContext& context,
                                   const v1::StreamJobEventsRequest& request,
                                   grpc::ServerWriter<v1::JobEvent>& writer) {
    const bool first = calls++ == 0;
    v1::JobEvent event;
    event.set_id(first ? "1-1" : "1-2");
    event.set_type("log");
    event.set_json(first ? R"({"line":"one"})" : R"({"line":"two"})");
    writer.Write(event);
    resumed_after = request.after_id();
    if (first) WaitWhile(context);
    return grpc::Status::OK;
  };
  coordinator_.Start();
  std::thread restart([&] {
    while (calls == 0) std::this_thread::sleep_for(5ms);
    std::this_thread::sleep_for(100ms);
    coordinator_.Stop();
    coordinator_.Start();
  });
  const RunResult result = Run({"logs", "-f", kJobId});
  restart.join();
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("log          one\n"));
  EXPECT_THAT(result.out, HasSubstr("log          two\n"));
  EXPECT_EQ(resumed_after, "1-1");
}

TEST_F(ConversationTest, MetricsAsATableAndAsNumbers) {
  coordinator_.stream_events = [](grpc::ServerContext&, const v1::StreamJobEventsRequest& request,
                                  grpc::ServerWriter<v1::JobEvent>& writer) {
    v1::JobEvent event;
    event.set_type(request.types(0));
    event.set_json(R"({"step":3,"epoch":0.375,"loss":2.413441,"tokensPerSecond":15210.4})");
    writer.Write(event);
    return grpc::Status::OK;
  };
  coordinator_.Start();
  EXPECT_EQ(Run({"metrics", kJobId, "--evaluations"}).out,
            "STEP  EPOCH   LOSS  TARGET TOKENS\n   3  0.375  2.413              -\n");
  EXPECT_THAT(Run({"metrics", kJobId}).out, HasSubstr("15,210"));
  EXPECT_EQ(nlohmann::json::parse(Run({"metrics", kJobId, "-o", "json"}).out)[0]["loss"], 2.413441);
}

TEST_F(ConversationTest, CtrlCLeavesTheJobRunning) {
  std::atomic<bool> watched = false;
  coordinator_.watch_job = [&](grpc::ServerContext& context, const v1::WatchJobRequest&,
                               grpc::ServerWriter<v1::Job>& writer) {
    writer.Write(JobIn(v1::JOB_STATE_RUNNING));
    watched = true;
    WaitWhile(context);
    return grpc::Status::CANCELLED;
  };
  coordinator_.Start();
  std::thread user([&] {
    while (!watched) std::this_thread::sleep_for(5ms);
    ::kill(::getpid(), SIGINT);
  });
  const RunResult result = Run({"watch", kJobId});
  user.join();
  EXPECT_EQ(result.code, ExitCode::kInterrupted);
  EXPECT_THAT(result.err, HasSubstr(std::string("lathe watch ") + kJobId));
}

TEST_F(ConversationTest, WatchGivesUpInTime) {
  coordinator_.watch_job = [&](grpc::ServerContext& context, const v1::WatchJobRequest&,
                               grpc::ServerWriter<v1::Job>& writer) {
    writer.Write(JobIn(v1::JOB_STATE_RUNNING));
    WaitWhile(context);
    return grpc::Status::CANCELLED;
  };
  coordinator_.Start();
  EXPECT_EQ(Run({"watch", kJobId, "--timeout", "0.2"}).code, ExitCode::kWaitTimedOut);
}

TEST_F(ConversationTest, ALostAnswerIsAskedForUnderTheSameRequestId) {
  std::vector<std::string> request_ids;
  coordinator_.create_job = [&](const v1::CreateJobRequest& request,
                                v1::CreateJobResponse& response) {
    request_ids.push_back(request.request_id());
    if (request_ids.size() < 3) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
    response.mutable_job()->set_id(kJobId);
    v1::Finding* warning = response.add_findings();
    warning->set_path("optimizer.learningRate");
    warning->set_message("rather high");
    return grpc::Status::OK;
  };
  coordinator_.Start();
  const RunResult result = Run(
      {"submit", "-f", "-", "--set", "schedule.epochs=2"},
      "model: {baseModel: m}\ndatasets: {trainingFileId: 'sha256:" + std::string(64, 'a') + "'}\n");
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_EQ(result.out, std::string(kJobId) + "\n");
  EXPECT_THAT(result.err, HasSubstr("optimizer.learningRate"));
  ASSERT_EQ(request_ids.size(), 3U);
  EXPECT_THAT(request_ids[0],
              ::testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-.*"));
  EXPECT_EQ(request_ids[0], request_ids[2]);
}

TEST_F(ConversationTest, TheCoordinatorsFindingsAreShownAndExitIsSix) {
  coordinator_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse&) {
    return rpc::ToStatus({ErrorCode::kInvalidArgument,
                          "the configuration is not valid",
                          {{.path = "model.baseModel",
                            .code = "not_found",
                            .message = "no node has this model",
                            .given = "\"m\"",
                            .expected = "llama_tiny"}}});
  };
  coordinator_.Start();
  const RunResult result = Run(
      {"submit", "-f", "-"},
      "model: {baseModel: m}\ndatasets: {trainingFileId: 'sha256:" + std::string(64, 'a') + "'}\n");
  EXPECT_EQ(result.code, ExitCode::kInvalid);
  EXPECT_THAT(result.err, HasSubstr("llama_tiny"));
  EXPECT_EQ(result.out, "");
}

TEST_F(ConversationTest, GenerateStreamsTheText) {
  v1::GenerateRequest seen;
  coordinator_.generate = [&](grpc::ServerContext&, const v1::GenerateRequest& request,
                              grpc::ServerWriter<v1::GenerateResponse>& writer) {
    seen = request;
    for (const char* text : {"Hello", " there", ""}) {
      v1::GenerateResponse piece;
      piece.set_text(text);
      piece.set_done(*text == '\0');
      piece.set_tokens(2);
      piece.set_finish_reason("stop");
      writer.Write(piece);
    }
    return grpc::Status::OK;
  };
  coordinator_.Start();
  const RunResult result =
      Run({"generate", "--model", "m", "--system", "s", "--seed", "7", "--top-k", "5",
           "--repetition-penalty", "1.5", "--stop", "a", "--stop=-b"},
          "hi\n");
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_EQ(result.out, "Hello there\n");
  ASSERT_EQ(seen.messages_size(), 2);
  EXPECT_EQ(seen.messages(0).role(), "system");
  EXPECT_EQ(seen.messages(1).content(), "hi");
  EXPECT_EQ(seen.seed(), 7);
  EXPECT_EQ(seen.top_k(), 5);
  EXPECT_EQ(seen.repetition_penalty(), 1.5);
  EXPECT_FALSE(seen.has_temperature() || seen.has_max_tokens() || seen.has_top_p());
  EXPECT_THAT(seen.stop(), testing::ElementsAre("a", "-b"));
  const RunResult json = Run({"generate", "--model", "m", "--prompt", "hi", "-o", "json"});
  EXPECT_EQ(nlohmann::json::parse(json.out)["text"], "Hello there");
  EXPECT_TRUE(seen.has_seed()) << "another answer each time";
}

TEST_F(ConversationTest, GenerateSendsACompositionOfJobs) {
  v1::Composition seen;
  coordinator_.generate = [&](grpc::ServerContext&, const v1::GenerateRequest& request,
                              grpc::ServerWriter<v1::GenerateResponse>& writer) {
    EXPECT_TRUE(request.job_id().empty() && request.model().empty());
    seen = request.composition();
    v1::GenerateResponse piece;
    piece.set_text("Hello");
    piece.set_done(true);
    writer.Write(piece);
    return grpc::Status::OK;
  };
  ServeJobs({"job-aaaaaaaaaaaa", "job-bbbbbbbbbbbb", "job-bcbcbcbcbcbc"});
  const RunResult json = Run({"generate", "--compose", "sequential:a=0.7000000000000001,bb,bc=-2",
                              "--prompt", "hi", "-o", "json"});
  EXPECT_EQ(json.code, ExitCode::kOk) << json.err;
  EXPECT_EQ(seen.method(), v1::COMPOSITION_METHOD_SEQUENTIAL);
  ASSERT_EQ(seen.adapters_size(), 3);
  EXPECT_EQ(seen.adapters(0).job_id(), "job-aaaaaaaaaaaa");
  EXPECT_EQ(seen.adapters(0).weight(), 0.7000000000000001);
  EXPECT_EQ(seen.adapters(0).weights_size(), 0);
  EXPECT_EQ(seen.adapters(1).weight(), 1);
  EXPECT_EQ(seen.adapters(2).weight(), -2);
  const auto told = nlohmann::json::parse(json.out)["composition"];
  EXPECT_EQ(told["method"], "sequential");
  EXPECT_FALSE(told.contains("name"));
  EXPECT_EQ(told["adapters"][1]["adapter"], "job-bbbbbbbbbbbb");

  const TempDir folder = TempDir::Create().value();
  const std::string file = (folder.path() / "gates.json").string();
  std::ofstream(file) << R"({"method": "gated", "adapters": [
      {"adapter": "a", "weights": [0, 0.5], "headWeight": 2}, {"adapter": "bb"}]})";
  EXPECT_EQ(Run({"generate", "--compose", file}, "hi\n").out, "Hello\n");
  EXPECT_EQ(seen.method(), v1::COMPOSITION_METHOD_GATED);
  EXPECT_THAT(seen.adapters(0).weights(), testing::ElementsAre(0, 0.5));
  EXPECT_EQ(seen.adapters(0).head_weight(), 2);
  EXPECT_FALSE(seen.adapters(0).has_weight() || seen.adapters(1).has_head_weight());
}

TEST_F(ConversationTest, JobsOfACompositionThatAreNotThereAreToldTogether) {
  ServeJobs({"job-aaaaaaaaaaaa", "job-abababababab"});
  const RunResult result =
      Run({"generate", "--compose", "additive:x,job-aa,a", "--prompt", "hi", "-o", "json"});
  EXPECT_EQ(result.code, ExitCode::kNotFound);
  const auto findings = nlohmann::json::parse(result.err)["error"]["findings"];
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0]["given"], "\"x\"");
  EXPECT_EQ(findings[1]["code"], "failed_precondition");
  EXPECT_THAT(findings[1]["message"].get<std::string>(), HasSubstr("beginning of several jobs"));
}

TEST_F(ConversationTest, AnAdapterThatIsNotThereYetIsAConflict) {
  coordinator_.get_job = [](const v1::GetJobRequest&, v1::Job& job) {
    job = JobIn(v1::JOB_STATE_RUNNING);
    return grpc::Status::OK;
  };
  coordinator_.Start();
  const RunResult result = Run({"adapter", "pull", kJobId, "-o", "/nonexistent/x"});
  EXPECT_EQ(result.code, ExitCode::kConflict);
  EXPECT_THAT(result.err, HasSubstr("it is running"));
}

}  // namespace
}  // namespace lathe::cli
