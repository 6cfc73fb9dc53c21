#include "worker/node/event_sender.h"

#include <gtest/gtest.h>

#include "common/base/temp_dir.h"

namespace lathe::worker {
namespace {

class EventSenderTest : public testing::Test {
 protected:
  void Append(int count) {
    const std::vector<spool::Spool::Record> records(static_cast<std::size_t>(count),
                                                    {{1, 1}, "{\"type\":\"metric\"}"});
    ASSERT_TRUE(spool_->Append(records));
  }
  // First and last number of all batches that may be sent now.
  std::pair<std::uint64_t, std::uint64_t> SendAll() {
    std::pair<std::uint64_t, std::uint64_t> range{0, 0};
    while (const auto batch = sender_.Next()) {
      EXPECT_EQ(batch->job_id(), "j");
      EXPECT_EQ(batch->attempt(), 2u);
      if (range.first == 0) range.first = batch->events(0).sequence();
      range.second = batch->events().rbegin()->sequence();
    }
    return range;
  }
  TempDir folder_ = TempDir::Create().value();
  std::unique_ptr<spool::Spool> spool_ = spool::Spool::Open(folder_.path() / "spool").value();
  EventSender sender_{{"j", 2}, *spool_};
};

using Range = std::pair<std::uint64_t, std::uint64_t>;

TEST_F(EventSenderTest, SendsEachEventOnceAStream) {
  Append(3);
  EXPECT_EQ(SendAll(), Range(1, 3));
  EXPECT_FALSE(sender_.Next());
  Append(2);
  EXPECT_EQ(SendAll(), Range(4, 5));
  EXPECT_EQ(sender_.Acknowledge(4), 4u);
  EXPECT_FALSE(sender_.AllAcknowledged());
  sender_.Restart();
  EXPECT_EQ(SendAll(), Range(5, 5)) << "a new stream repeats what is not acknowledged";
  EXPECT_EQ(sender_.Acknowledge(5), 1u);
  EXPECT_TRUE(sender_.AllAcknowledged());
}

TEST_F(EventSenderTest, StaysWithinTheWindow) {
  Append(static_cast<int>(EventSender::kWindow) + 10);
  EXPECT_EQ(SendAll(), Range(1, EventSender::kWindow));
  sender_.Acknowledge(4);
  EXPECT_EQ(SendAll(), Range(EventSender::kWindow + 1, EventSender::kWindow + 4));
}

v1::CheckpointReport CheckpointAt(std::uint64_t step) {
  v1::CheckpointReport report;
  report.set_step(step);
  return report;
}

// 0: there is none to tell now.
std::uint64_t StepOfNext(EventSender& sender) {
  const auto report = sender.NextCheckpoint();
  return report ? report->step() : 0;
}

TEST_F(EventSenderTest, TellsACheckpointOnceAllEventsBeforeItAreAcknowledged) {
  Append(3);
  SendAll();
  sender_.Offer(CheckpointAt(10));
  EXPECT_EQ(StepOfNext(sender_), 0u);
  Append(2);
  sender_.Acknowledge(2);
  EXPECT_EQ(StepOfNext(sender_), 0u);
  sender_.Acknowledge(3);
  EXPECT_EQ(StepOfNext(sender_), 10u) << "events after it do not matter";
  EXPECT_EQ(StepOfNext(sender_), 0u);
}

TEST_F(EventSenderTest, TellsACheckpointAgainOnANewStreamAfterTheEventsBeforeIt) {
  Append(3);
  SendAll();
  sender_.Offer(CheckpointAt(10));
  sender_.Restart();
  EXPECT_EQ(StepOfNext(sender_), 0u);
  EXPECT_EQ(SendAll(), Range(1, 3));
  sender_.Acknowledge(3);
  EXPECT_EQ(StepOfNext(sender_), 10u);
  sender_.Restart();
  EXPECT_EQ(StepOfNext(sender_), 10u) << "it may have been lost with the older stream";
}

TEST_F(EventSenderTest, NewerCheckpointsDoNotPushAwayTheOneThatIsNext) {
  for (const std::uint64_t step : {10, 20, 30}) {
    Append(1);
    sender_.Offer(CheckpointAt(step));
  }
  sender_.Acknowledge(1);
  EXPECT_EQ(StepOfNext(sender_), 10u);
  sender_.Acknowledge(2);
  EXPECT_EQ(StepOfNext(sender_), 0u) << "20 gave way to 30, which comes later";
  sender_.Acknowledge(3);
  EXPECT_EQ(StepOfNext(sender_), 30u);
}

}  // namespace
}  // namespace lathe::worker
