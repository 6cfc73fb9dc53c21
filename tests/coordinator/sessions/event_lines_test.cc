#include "coordinator/sessions/event_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lathe::sessions {
namespace {

v1::EventBatch Batch(const std::vector<std::string>& lines) {
  v1::EventBatch batch;
  batch.set_job_id("job-1");
  batch.set_attempt(2);
  std::uint64_t sequence = 10;
  for (const std::string& line : lines) {
    auto* event = batch.add_events();
    event->set_sequence(sequence++);
    event->set_json(line);
  }
  return batch;
}

TEST(EventLines, SummarisesProgress) {
  const ReadBatch read =
      ReadEventBatch(
          Batch(
              {R"({"type":"started","time":"1970-01-01T00:00:01Z","totalSteps":90})",
               R"({"type":"phase","time":"1970-01-01T00:00:01Z","phase":"training"})",
               R"({"type":"metric","time":"1970-01-01T00:00:02.25Z","step":1,"loss":3,)"
               R"("epoch":0.5,"tokensPerSecond":8.5})",
               R"({"type":"metric","time":"1970-01-01T00:00:03Z","step":2,"loss":2.5})",
               R"({"type":"evaluation","time":"1970-01-01T00:00:03Z","step":2,"loss":2.75,"perplexity":15.6,)"
               R"("toolAccuracy":0.5,"responseQuality":0.25})"}),
          FromMicros(7))
          .value();
  EXPECT_EQ(read.batch.attempt.attempt, domain::AttemptNumber(2));
  ASSERT_EQ(read.batch.events.size(), 5U);
  EXPECT_EQ(read.batch.events[2].step, 1U);
  EXPECT_EQ(read.batch.events[2].sequence, 12U);
  EXPECT_EQ(read.batch.events[2].time, FromMicros(2'250'000));
  EXPECT_EQ(read.batch.events[4].step, std::nullopt) << "only metrics count as reported steps";
  EXPECT_EQ(read.progress.step, 2U);
  EXPECT_EQ(read.progress.total_steps, 90U);
  EXPECT_EQ(read.progress.loss, 2.5);
  EXPECT_EQ(read.progress.evaluation_loss, 2.75);
  EXPECT_EQ(read.progress.evaluation_perplexity, 15.6);
  EXPECT_EQ(read.progress.evaluation_tool_accuracy, 0.5);
  EXPECT_EQ(read.progress.evaluation_response_quality, 0.25);
  EXPECT_EQ(read.progress.phase, "training");
  EXPECT_EQ(read.progress.time, FromMicros(3'000'000));
}

TEST(EventLines, BrokenLinesBecomeLogEntries) {
  const ReadBatch read =
      ReadEventBatch(Batch({"{\"type\":\"met", "[1]", "{\"step\":1}", "\xff\xfe", "\"x\"",
                            R"({"type":"metric","step":-1,"time":"yesterday"})"}),
                     FromMicros(7))
          .value();
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(read.batch.events[i].type, "log") << i;
    EXPECT_EQ(read.batch.events[i].time, FromMicros(7));
    EXPECT_THAT(read.batch.events[i].json, testing::HasSubstr("\"line\""));
  }
  EXPECT_EQ(read.batch.events[5].step, std::nullopt);
  EXPECT_EQ(read.progress.step, std::nullopt);
}

TEST(EventLines, SequencesGrow) {
  v1::EventBatch batch = Batch({"{}", "{}"});
  batch.mutable_events(1)->set_sequence(10);
  EXPECT_EQ(ReadEventBatch(batch, {}).error().code, ErrorCode::kInvalidArgument);
  batch.mutable_events(0)->set_sequence(0);
  EXPECT_EQ(ReadEventBatch(batch, {}).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lathe::sessions
