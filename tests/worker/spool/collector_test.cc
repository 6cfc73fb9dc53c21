#include "worker/spool/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/base/temp_dir.h"

namespace lathe::worker::spool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CollectorTest : public testing::Test {
 protected:
  void Trainer(const std::string& text) { std::ofstream(events_, std::ios::app) << text; }
  void Log(const std::string& text) { std::ofstream(log_, std::ios::app) << text; }
  // Forgets everything in memory, as a daemon that was killed does.
  void Restart(ForwardRule rule = {}) {
    spool_ = Spool::Open(folder_.path() / "spool").value();
    collector_.emplace(Collector::Sources{events_, log_, rule}, *spool_, Instant{});
  }
  std::vector<std::string> Spooled() {
    std::vector<std::string> texts;
    const auto entries = spool_->Read(0, 1000, 1 << 20).value();
    for (const auto& entry : entries) texts.push_back(entry.json);
    return texts;
  }
  TempDir folder_ = TempDir::Create().value();
  const std::filesystem::path events_ = folder_.path() / "events.jsonl";
  const std::filesystem::path log_ = folder_.path() / "trainer.log";
  std::unique_ptr<Spool> spool_;
  std::optional<Collector> collector_;
};

TEST_F(CollectorTest, TakesEachLineOnceOverRestartsAndTornLines) {
  Restart();
  Trainer("{\"type\":\"metric\",\"step\":1}\n{\"type\":\"met");
  ASSERT_TRUE(collector_->Collect(Instant{}));
  Restart();
  Trainer("ric\",\"step\":2}\n");
  ASSERT_TRUE(collector_->Collect(Instant{}));
  Restart();
  ASSERT_TRUE(collector_->Collect(Instant{}));
  EXPECT_THAT(Spooled(),
              ElementsAre("{\"type\":\"metric\",\"step\":1}", "{\"type\":\"metric\",\"step\":2}"));
}

TEST_F(CollectorTest, FillsTheGapAnEarlierAttemptLeftAndSkipsWhatIsStored) {
  const std::string history =
      "{\"type\":\"metric\",\"step\":1}\n{\"type\":\"metric\",\"step\":2}\n{\"type\":\"failed\"}\n";
  Trainer(history);
  Restart({.history_end = history.size(), .reported_step = 1});
  Trainer("{\"type\":\"started\"}\n{\"type\":\"metric\",\"step\":3}\n");
  ASSERT_TRUE(collector_->Collect(Instant{}));
  EXPECT_THAT(Spooled(),
              ElementsAre(HasSubstr("\"step\":2"), HasSubstr("started"), HasSubstr("\"step\":3")));
}

TEST_F(CollectorTest, AnnouncesCheckpointsOfThisAttempt) {
  Restart();
  Trainer("{\"type\":\"checkpoint\",\"step\":5,\"path\":\"checkpoints/step-5\"}\n");
  const auto checkpoints = collector_->Collect(Instant{}).value();
  ASSERT_EQ(checkpoints.size(), 1u);
  EXPECT_EQ(checkpoints[0].step, 5u);
  EXPECT_EQ(checkpoints[0].path, "checkpoints/step-5");
  EXPECT_TRUE(collector_->Collect(Instant{}).value().empty());
}

TEST_F(CollectorTest, LogLinesFollowAndTheLastTornOneIsTakenAtTheEnd) {
  Restart();
  Log("loading\nkilled in the mid");
  ASSERT_TRUE(collector_->Collect(Instant{}));
  EXPECT_THAT(Spooled(), ElementsAre(HasSubstr("loading")));
  ASSERT_TRUE(collector_->CollectRest(Instant{}));
  EXPECT_THAT(Spooled(), ElementsAre(HasSubstr("loading"), HasSubstr("killed in the mid")));
}

TEST_F(CollectorTest, CollectRestTakesLogsLargerThanOneRead) {
  Restart();
  std::string many;
  for (int i = 1; i <= 40'000; ++i) {
    many += "{\"type\":\"metric\",\"step\":" + std::to_string(i) + ",\"loss\":1.234567890123}\n";
  }
  Trainer(many);
  ASSERT_TRUE(collector_->CollectRest(Instant{}));
  EXPECT_EQ(spool_->last(), 40'000u);
}

}  // namespace
}  // namespace lathe::worker::spool
