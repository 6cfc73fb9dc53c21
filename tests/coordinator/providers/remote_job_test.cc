// Jobs at services, against a local HTTP server that answers as their public references say and
// checks each request by the types of their own clients (fake_service.py). The scenario in the
// address says what goes wrong.

#include "coordinator/providers/remote_job.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "common/base/child_process.h"
#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "common/schema/configuration.h"

namespace lathe::providers {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kKey[] = "test-key";
constexpr char kMarker[] = "attempt-0001";

class FakeService {
 public:
  FakeService() {
    const std::filesystem::path script = std::filesystem::path(std::getenv("LATHE_SOURCE_DIR")) /
                                         "tests/coordinator/providers/fake_service.py";
    const auto address = folder_.path() / "address";
    process_ = ChildProcess::Start(
                   {.program = "/usr/bin/env",
                    .arguments = {"python3", script.string(), address.string(), log().string()}})
                   .value();
    for (int i = 0; i < 3000 && !std::filesystem::exists(address); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    address_ = ReadFile(address).value();  // Fails where the service did not start.
  }
  ~FakeService() {
    process_->Signal(9);
    (void)process_->Wait();
  }

  std::string Url(const std::string& scenario, const std::string& engine) const {
    return address_ + "/" + scenario + "/" + engine;
  }
  /// "METHOD path" of each request of the scenario.
  std::vector<std::string> Requests(const std::string& scenario, const std::string& engine) const {
    std::vector<std::string> out;
    for (const Json& line : Lines()) {
      if (line["scenario"] == scenario && line["engine"] == engine) {
        out.push_back(line["method"].get<std::string>() + " " + line["path"].get<std::string>());
      }
    }
    return out;
  }
  std::vector<Json> Lines() const {
    std::vector<Json> lines;
    std::istringstream text(ReadFile(log()).value_or(""));
    for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  std::filesystem::path MakeFile(const std::string& bytes) const {
    const auto file = folder_.path() / "train.jsonl";
    EXPECT_TRUE(WriteFileAtomically(file, bytes));
    return file;
  }

 private:
  std::filesystem::path log() const { return folder_.path() / "log"; }

  TempDir folder_ = TempDir::Create("fake-service").value();
  std::optional<ChildProcess> process_;
  std::string address_;
};

class RemoteJobTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { service_ = new FakeService; }
  static void TearDownTestSuite() { delete service_; }

  RemoteEngine Remote(const std::string& scenario, const std::string& engine,
                      const std::string& key = kKey) {
    return {**FindEngine(engine), Access{service_->Url(scenario, engine), key}, http_};
  }
  static v1::JobConfiguration Configuration(const std::string& more = "") {
    const schema::Parsed parsed = schema::FromJson(
        R"({"model":{"baseModel":"some-model"},"datasets":{"trainingFileId":"sha256:1"},)"
        R"("metadata":{"fireworks":{"account_id":"acme"}})" +
        more + "}");
    EXPECT_TRUE(parsed.findings.empty());
    return parsed.configuration;
  }
  Result<std::string> Start(const RemoteEngine& remote, const std::string& marker = kMarker) {
    return remote.Start(Configuration(), marker,
                        {{"training", {service_->MakeFile("{\"messages\":[]}\n"), "ab12"}}}, {});
  }
  int Count(const std::string& scenario, const std::string& engine, const std::string& request) {
    const auto all = service_->Requests(scenario, engine);
    return static_cast<int>(std::count(all.begin(), all.end(), request));
  }

  static FakeService* service_;
  std::vector<Duration> waits_;
  const HttpClient http_{{.connect_limit = std::chrono::seconds(2),
                          .limit = std::chrono::seconds(20),
                          .max_answer = std::size_t{1} << 20U,
                          .tries = 3,
                          .first_wait = std::chrono::milliseconds(10),
                          .longest_wait = std::chrono::milliseconds(200)},
                         [this](Duration time) {
                           if (time > Duration::zero()) waits_.push_back(time);
                           return true;
                         },
                         7};
};

FakeService* RemoteJobTest::service_ = nullptr;

const char* const kServices[] = {"openai", "together", "fireworks", "mistral"};

TEST_F(RemoteJobTest, StartsAsksAndCancelsEverywhere) {
  for (const char* engine : kServices) {
    const RemoteEngine remote = Remote("plain", engine);
    const auto id = Start(remote);
    ASSERT_TRUE(id) << engine << ": " << ToString(id.error());
    const auto job = remote.Query(*id);
    ASSERT_TRUE(job) << engine << ": " << ToString(job.error());
    EXPECT_EQ(job->state, RemoteState::kRunning) << engine;
    ASSERT_TRUE(remote.Cancel(*id)) << engine;
    EXPECT_EQ(remote.Query(*id)->state, RemoteState::kCancelled) << engine;
    EXPECT_EQ(*Start(remote), *id) << engine << ": a repeated start finds the first job";
  }
  EXPECT_EQ(*Start(Remote("plain", "fireworks")),
            "accounts/acme/supervisedFineTuningJobs/attempt-0001");
}

TEST_F(RemoteJobTest, WhatAStartMadeIsFoundByItsMarker) {
  for (const std::string engine : {"openai", "together", "fireworks", "mistral"}) {
    const RemoteEngine remote = Remote("find", engine);
    EXPECT_EQ(*remote.Find(Configuration(), kMarker), "") << engine;
    const std::string id = *Start(remote);
    EXPECT_EQ(*remote.Find(Configuration(), kMarker), id) << engine;
    EXPECT_EQ(*remote.Find(Configuration(), "attempt-0002"), "") << engine;
  }
  EXPECT_FALSE(Remote("unauthorized", "openai").Find(Configuration(), kMarker));
}

TEST_F(RemoteJobTest, WhatAStartMadeIsFoundOnAnyPage) {
  for (const std::string engine : {"openai", "mistral", "together"}) {
    const RemoteEngine remote = Remote("paged", engine);
    EXPECT_EQ(*remote.Find(Configuration(), kMarker), "") << engine;
    const auto id =
        remote.Start(Configuration(), kMarker, {{"training", {service_->MakeFile("{}\n"), "ab"}}},
                     {.is_new = true});
    ASSERT_TRUE(id) << engine << ": " << ToString(id.error());
    EXPECT_EQ(*remote.Find(Configuration(), kMarker), *id) << engine;
    const char* list = engine == "together" ? "GET /v1/fine-tunes" : "GET /v1/fine_tuning/jobs";
    EXPECT_EQ(Count("paged", engine, list), engine == "together" ? 2 : 6)
        << engine << ": of 100 each; none before a start that is new";
  }
}

TEST_F(RemoteJobTest, WhatIsNotStartedLeavesNothingBehind) {
  for (const std::string engine : {"openai", "together", "fireworks", "mistral"}) {
    ASSERT_FALSE(Start(Remote("refused", engine))) << engine;
    EXPECT_THAT(service_->Requests("refused", engine).back(), testing::StartsWith("DELETE "))
        << engine;
    ASSERT_FALSE(Start(Remote("unauthorized", engine))) << engine;
    EXPECT_THAT(service_->Requests("unauthorized", engine),
                Each(Not(testing::StartsWith("DELETE "))))
        << engine << ": nothing got there";
  }
}

TEST_F(RemoteJobTest, ATransferThatIsCancelledEndsAtOnce) {
  const auto id =
      Remote("cancelled", "openai")
          .Start(Configuration(), kMarker, {{"training", {service_->MakeFile("{}\n"), "ab"}}},
                 {.cancelled = [] { return true; }, .is_new = true});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(id.error().message, "It was not started at OpenAI");
  EXPECT_EQ(Count("cancelled", "openai", "POST /v1/fine_tuning/jobs"), 0);
}

TEST_F(RemoteJobTest, NothingIsStartedAgainstTheCallersWill) {
  const RemoteEngine remote = Remote("unwilling", "openai");
  const auto id =
      remote.Start(Configuration(), kMarker, {{"training", {service_->MakeFile("{}\n"), "ab"}}},
                   {.before_create = [] { return Failure(ErrorCode::kCancelled, "no"); }});
  EXPECT_EQ(id.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(Count("unwilling", "openai", "POST /v1/files"), 1);
  EXPECT_EQ(Count("unwilling", "openai", "POST /v1/fine_tuning/jobs"), 0);
}

TEST_F(RemoteJobTest, DpoJobsOfFireworksStandElsewhere) {
  const RemoteEngine remote = Remote("dpo", "fireworks");
  const auto id = remote.Start(Configuration(R"(,"objective":{"type":"dpo"})"), kMarker,
                               {{"training", {service_->MakeFile("{}\n"), "ab"}}}, {});
  ASSERT_TRUE(id) << ToString(id.error());
  EXPECT_EQ(*id, "accounts/acme/dpoJobs/attempt-0001");
  EXPECT_EQ(remote.Query(*id)->state, RemoteState::kRunning);
  const auto done = Remote("done", "fireworks")
                        .Start(Configuration(R"(,"objective":{"type":"dpo"})"), kMarker,
                               {{"training", {service_->MakeFile("{}\n"), "ab"}}}, {});
  EXPECT_EQ(Remote("done", "fireworks").Query(*done)->model, "ft:some-model:acme");
}

TEST_F(RemoteJobTest, ReadsResultsProgressAndEvents) {
  const RemoteEngine openai = Remote("done", "openai");
  const auto job = openai.Query(*Start(openai));
  ASSERT_TRUE(job) << ToString(job.error());
  EXPECT_EQ(job->state, RemoteState::kSucceeded);
  EXPECT_EQ(job->model, "ft:some-model:acme");
  EXPECT_EQ(job->fraction, 1);
  ASSERT_EQ(job->events.size(), 2U);
  EXPECT_EQ(job->events[0].step, 1U) << "oldest first";
  EXPECT_EQ(job->events[0].loss, 2.0);
  EXPECT_EQ(job->events[1].total_steps, 2U);
  EXPECT_EQ(ToMicros(*job->events[1].time), 1700000002'000000);

  const RemoteEngine together = Remote("events", "together");
  const auto other = together.Query(*Start(together));
  ASSERT_EQ(other->events.size(), 2U);
  EXPECT_EQ(ToRfc3339(*other->events[0].time), "2026-01-01T00:00:01.000Z");
  const RemoteEngine mistral = Remote("events", "mistral");
  EXPECT_EQ(mistral.Query(*Start(mistral))->events[0].evaluation_loss, 1.75);
  const RemoteEngine fireworks = Remote("events", "fireworks");
  EXPECT_EQ(fireworks.Query(*Start(fireworks))->fraction, 0.4);
}

TEST_F(RemoteJobTest, BusyServicesAreAskedAgainWhenTheySay) {
  for (const char* engine : kServices) {
    waits_.clear();
    ASSERT_TRUE(Start(Remote("busy", engine))) << engine;
    EXPECT_THAT(waits_, ElementsAre(std::chrono::milliseconds(50))) << engine;
  }
}

TEST_F(RemoteJobTest, WhoAsksForTooMuchPatienceIsNotWaitedFor) {
  const auto id = Start(Remote("busy-for-long", "openai"));
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(id.error().message, HasSubstr("Quota"));
  EXPECT_THAT(waits_, testing::IsEmpty());
}

// The one thing that must never happen: a job that is paid for twice.
TEST_F(RemoteJobTest, ALostAnswerNeverStartsASecondJob) {
  for (const char* scenario : {"lost", "broken"}) {
    for (const char* engine : kServices) {
      const RemoteEngine remote = Remote(scenario, engine);
      const auto id = Start(remote);
      ASSERT_TRUE(id) << scenario << " " << engine << ": " << ToString(id.error());
      EXPECT_EQ(remote.Query(*id)->state, RemoteState::kRunning);
      EXPECT_THAT(service_->Requests(scenario, engine), Each(Not(testing::StartsWith("DELETE "))))
          << engine << ": its data stays";
      const auto again = Start(remote);
      EXPECT_EQ(*again, *id) << scenario << " " << engine;
      const auto other = Start(remote, "attempt-0002");
      EXPECT_NE(*other, *id) << scenario << " " << engine;
      if (std::string(engine) != "fireworks") {  // whose jobs are named by us
        const std::string create =
            std::string(engine) == "together" ? "POST /v1/fine-tunes" : "POST /v1/fine_tuning/jobs";
        EXPECT_EQ(Count(scenario, engine, create), 2) << "one for each marker";
      }
    }
  }
}

TEST_F(RemoteJobTest, PassingFailuresOfQuestionsAreTriedAgain) {
  const RemoteEngine remote = Remote("flaky", "openai");
  const auto id = Start(remote);
  waits_.clear();
  EXPECT_EQ(remote.Query(*id)->state, RemoteState::kRunning);
  ASSERT_EQ(waits_.size(), 1U);
  EXPECT_GE(waits_[0], std::chrono::milliseconds(5)) << "with jitter";
  EXPECT_LE(waits_[0], std::chrono::milliseconds(10));
}

TEST_F(RemoteJobTest, ASlowAnswerIsATimeOut) {
  const HttpClient impatient{{.limit = std::chrono::milliseconds(100), .tries = 3},
                             [this](Duration time) {
                               if (time > Duration::zero()) waits_.push_back(time);
                               return true;
                             },
                             7};
  const auto id = Start(Remote("slow", "mistral"));
  const RemoteEngine remote(**FindEngine("mistral"), Access{service_->Url("slow", "mistral"), kKey},
                            impatient);
  const auto job = remote.Query(*id);
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(waits_.size(), 2U) << "three tries";
}

TEST_F(RemoteJobTest, WrongAnswersAreErrorsNotCrashes) {
  const RemoteEngine garbage = Remote("garbage", "mistral");
  EXPECT_EQ(garbage.Query(*Start(garbage)).error().code, ErrorCode::kDataLoss);
  const RemoteEngine huge = Remote("huge", "mistral");
  const auto job = huge.Query(*Start(huge));
  EXPECT_EQ(job.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(job.error().message, HasSubstr("more than 1048576 bytes"));
  const RemoteEngine moved = Remote("moved", "mistral");
  EXPECT_THAT(moved.Query(*Start(moved)).error().message, HasSubstr("answered 302"))
      << "redirects are not followed";
  const RemoteEngine newer = Remote("new-state", "mistral");
  const auto unknown = newer.Query(*Start(newer));
  EXPECT_EQ(unknown->state, RemoteState::kUnknown);
  EXPECT_EQ(unknown->their_state, "paused_for_review");
}

TEST_F(RemoteJobTest, RefusalsCarryTheServicesWords) {
  const auto refused = Start(Remote("refused", "together"));
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("Model some-model is not available."));
  const auto denied = Start(Remote("unauthorized", "openai"));
  EXPECT_EQ(denied.error().code, ErrorCode::kUnauthenticated);
  EXPECT_THAT(denied.error().message, HasSubstr("Incorrect API key"));
  EXPECT_THAT(ToString(denied.error()), Not(HasSubstr(kKey)));
  EXPECT_EQ(Remote("plain", "openai").Query("ftjob-none").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(Remote("plain", "openai").Cancel("ftjob-none"));
}

TEST_F(RemoteJobTest, CancellingWhatHasEndedIsNoError) {
  const RemoteEngine remote = Remote("done", "together");
  const auto id = Start(remote);
  ASSERT_EQ(remote.Query(*id)->state, RemoteState::kSucceeded);
  EXPECT_TRUE(remote.Cancel(*id));
}

TEST_F(RemoteJobTest, NothingListensThere) {
  const RemoteEngine remote(**FindEngine("openai"), Access{"http://127.0.0.1:1", kKey}, http_);
  const auto id = Start(remote);
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(id.error().message, HasSubstr("http://127.0.0.1:1"));
  EXPECT_EQ(waits_.size(), 2U);
}

TEST_F(RemoteJobTest, DataGoesOnlyWhereItIsSafeAndWithoutTheKey) {
  const auto id = Start(Remote("elsewhere", "together"));
  ASSERT_FALSE(id);
  EXPECT_THAT(id.error().message, HasSubstr("not https"));
  ASSERT_TRUE(Start(Remote("storage", "together")));
  bool stored = false;
  for (const Json& line : service_->Lines()) {
    if (line["path"].get<std::string>().starts_with("/storage/")) {
      EXPECT_EQ(line["key"], "");
      stored = true;
    }
  }
  EXPECT_TRUE(stored);
  ASSERT_TRUE(Start(Remote("same-file", "together"))) << "a file that is known is not sent again";
  EXPECT_THAT(service_->Requests("same-file", "together"), Each(Not(HasSubstr("preprocess"))));
}

TEST(BaseUrlTest, HttpsOrThisMachine) {
  for (const char* url : {"https://api.openai.com", "https://gateway.example:8443/openai/",
                          "http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:9"}) {
    EXPECT_TRUE(CheckBaseUrl(url)) << url;
  }
  EXPECT_EQ(*CheckBaseUrl("https://a.example/x/"), "https://a.example/x");
  for (const char* url :
       {"http://api.openai.com", "ftp://127.0.0.1", "https://user:pw@a.example", "https://a?x=1",
        "https://a#b", "http://127.0.0.1.example", "http://localhost@evil.example",
        "http://169.254.169.254", "file:///etc/passwd", "", "https://"}) {
    EXPECT_FALSE(CheckBaseUrl(url)) << url;
  }
  EXPECT_TRUE(IsLoopback("http://127.0.0.1:8/x?y"));
  EXPECT_FALSE(IsLoopback("http://127.0.0.1@evil.example/"));
  for (const char* host : {"127.0.0.1.", "127.0..1", "127.0.0", "127.0.0.0.1", "127.0.0.1000", "[]",
                           "[::2]", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:123456", "::1"}) {
    EXPECT_FALSE(IsLoopback(std::string("http://") + host + "/")) << host;
  }
}

TEST(BaseUrlTest, OfAnyLength) {
  const std::string megabyte(1 << 20, 'a');
  EXPECT_TRUE(IsLoopback("http://127.0.0.1/" + megabyte));
  EXPECT_TRUE(CheckBaseUrl("https://a.example/" + megabyte));
  EXPECT_FALSE(CheckBaseUrl("https://" + megabyte + "!"));
}

}  // namespace
}  // namespace lathe::providers
