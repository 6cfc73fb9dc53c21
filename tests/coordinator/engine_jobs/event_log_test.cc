#include "coordinator/engine_jobs/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace lathe::engine_jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Json = nlohmann::json;

const domain::AttemptKey kAttempt{domain::JobId("job-1"), domain::AttemptNumber(2)};
constexpr Instant kNow = Instant(std::chrono::seconds(1'700'000'000));

providers::RemoteEvent Step(std::uint64_t number, const std::string& id = "") {
  providers::RemoteEvent event;
  event.id = id;
  event.time = kNow;
  event.message = "Step " + std::to_string(number);
  event.step = number;
  event.loss = 1.0 / static_cast<double>(number);
  return event;
}

std::vector<std::string> Types(const v1::EventBatch& batch) {
  std::vector<std::string> types;
  for (const auto& line : batch.events()) {
    types.push_back(Json::parse(line.json())["type"].get<std::string>() +
                    std::to_string(line.sequence()));
  }
  return types;
}

/// As the store gives the lines back.
std::vector<storage::StoredEvent> Stored(const v1::EventBatch& batch) {
  std::vector<storage::StoredEvent> stored;
  for (const auto& line : batch.events()) {
    stored.push_back({{batch.attempt(), line.sequence()}, "metric", kNow, line.json()});
  }
  return stored;
}

TEST(EventLogTest, EachEventBecomesWhatItTells) {
  providers::RemoteEvent both = Step(1);
  both.total_steps = 9;
  both.evaluation_loss = 0.5;
  providers::RemoteEvent words;
  words.message = "Validating";
  const auto batch = EventLog(kAttempt).New({words, both}, kNow);
  EXPECT_EQ(batch.job_id(), "job-1");
  EXPECT_EQ(batch.attempt(), 2U);
  EXPECT_THAT(Types(batch), ElementsAre("log1", "started2", "metric3", "evaluation4"));
  EXPECT_EQ(Json::parse(batch.events(0).json())["line"], "Validating");
  EXPECT_EQ(Json::parse(batch.events(1).json())["totalSteps"], 9);
  EXPECT_EQ(Json::parse(batch.events(2).json())["loss"], 1.0);
  EXPECT_EQ(Json::parse(batch.events(3).json())["loss"], 0.5);
  EXPECT_EQ(Json::parse(batch.events(3).json())["time"], "2023-11-14T22:13:20.000Z");
}

TEST(EventLogTest, OnlyWhatIsNewIsAdded) {
  EventLog log(kAttempt);
  const auto first = log.New({Step(1, "a"), Step(2, "b")}, kNow);
  EXPECT_THAT(Types(log.New({Step(1, "a"), Step(2, "b")}, kNow)), ElementsAre("metric1", "metric2"))
      << "not stored yet";
  log.Keep(first);
  EXPECT_THAT(Types(log.New({Step(2, "b"), Step(3, "c"), Step(3, "c")}, kNow)),
              ElementsAre("metric3"));
}

TEST(EventLogTest, EventsWithoutAnIdAreKnownByWhatTheySay) {
  EventLog log(kAttempt);
  log.Keep(log.New({Step(1), Step(2)}, kNow));
  EXPECT_THAT(Types(log.New({Step(1), Step(2), Step(3)}, kNow)), ElementsAre("metric3"));
}

TEST(EventLogTest, ARestartGoesOnFromWhatIsStored) {
  EventLog before(kAttempt);
  providers::RemoteEvent first = Step(1, "a");
  first.total_steps = 9;
  const auto batch = before.New({first, Step(2, "b")}, kNow);
  EventLog after(kAttempt);
  after.Know(Stored(batch));
  after.Know({{{1, 7}, "metric", kNow, R"({"engineEvent":"c"})"},
              {{2, core::EventId::kSeal}, "state", kNow, "{}"}});
  first.id = "d";
  EXPECT_THAT(Types(after.New({Step(2, "b"), Step(3, "c"), first}, kNow)),
              ElementsAre("metric4", "metric5"))
      << "of an older attempt nothing is known, and the number of steps is told once";
}

TEST(EventLogTest, ManyAreToldInPieces) {
  std::vector<providers::RemoteEvent> events;
  for (std::uint64_t step = 1; step <= 1200; ++step) events.push_back(Step(step));
  EventLog log(kAttempt);
  std::uint64_t last = 0;
  int pieces = 0;
  for (auto batch = log.New(events, kNow); batch.events_size() > 0; batch = log.New(events, kNow)) {
    EXPECT_EQ(batch.events(0).sequence(), last + 1);
    last = batch.events(batch.events_size() - 1).sequence();
    log.Keep(batch);
    ++pieces;
  }
  EXPECT_EQ(last, 1200U);
  EXPECT_EQ(pieces, 3);
}

TEST(EventLogTest, NothingNewIsNothing) {
  EXPECT_THAT(EventLog(kAttempt).New({}, kNow).events(), IsEmpty());
}

TEST(EventLogTest, KnowsTheLatestStepWithMetrics) {
  EventLog log(kAttempt);
  EXPECT_EQ(log.last_step(), 0U);
  providers::RemoteEvent checkpoint = Step(90);
  checkpoint.loss.reset();
  log.Keep(log.New({Step(7), Step(3), checkpoint}, kNow));
  EXPECT_EQ(log.last_step(), 7U);
  EventLog later(kAttempt);
  later.Know(Stored(EventLog(kAttempt).New({Step(5)}, kNow)));
  EXPECT_EQ(later.last_step(), 5U);
}

}  // namespace
}  // namespace lathe::engine_jobs
