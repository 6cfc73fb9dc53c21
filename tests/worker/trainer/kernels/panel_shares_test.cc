#include "worker/trainer/kernels/panel_shares.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

namespace lathe::trainer::kernels {
namespace {

/// Counts what is multiplied, and what is multiplied with a panel that is not in its place. A space
/// is as plain as the memory that panels are packed into: what orders writing and reading it is
/// PanelShares alone, and the thread sanitizer sees whether it does.
class Recorder {
 public:
  Recorder(std::int64_t panels, std::int64_t blocks, std::int64_t workers)
      : blocks_(blocks),
        done_(static_cast<std::size_t>(panels * blocks)),
        space_(static_cast<std::size_t>(workers), -1),
        shares_(panels, blocks, workers) {}

  /// Gives other threads their turn in the middle of things, so that they meet on few processors.
  void Run(std::int64_t self) {
    shares_.Run(
        self,
        [&](std::int64_t panel) {
          std::this_thread::yield();
          space_[static_cast<std::size_t>(self)] = panel;
        },
        [&](std::int64_t block, const PanelShares::Place& place) {
          if (space_[static_cast<std::size_t>(place.owner)] != place.panel) ++wrong_;
          std::this_thread::yield();
          ++done_[static_cast<std::size_t>(place.panel * blocks_ + block)];
        });
  }

  void ExpectAllDoneOnce() const {
    EXPECT_EQ(wrong_, 0);
    for (const auto& times : done_) EXPECT_EQ(times, 1);
  }

 private:
  std::int64_t blocks_;
  std::vector<std::atomic<int>> done_;
  std::vector<std::int64_t> space_;
  std::atomic<int> wrong_ = 0;
  PanelShares shares_;
};

TEST(PanelSharesTest, OneAfterAnother) {
  for (const std::int64_t workers : {1, 2, 5}) {
    for (const std::int64_t panels : {1, 3, 12}) {
      Recorder recorder(panels, 4, workers);
      for (std::int64_t i = workers; i > 0; --i) recorder.Run(i - 1);
      recorder.ExpectAllDoneOnce();
    }
  }
}

TEST(PanelSharesTest, AtTheSameTime) {
  for (int round = 0; round < 200; ++round) {
    constexpr std::int64_t kWorkers = 3;
    Recorder recorder(1 + round % 7, 1 + round % 5, kWorkers);
    std::latch start(kWorkers);
    std::vector<std::thread> threads;
    for (std::int64_t i = 0; i < kWorkers; ++i) {
      threads.emplace_back([&recorder, &start, i] {
        start.arrive_and_wait();
        recorder.Run(i);
      });
    }
    for (std::thread& thread : threads) thread.join();
    recorder.ExpectAllDoneOnce();
  }
}

TEST(PanelSharesTest, WhoeverHelpsSeesThePanel) {
  PanelShares shares(/*panels=*/1, /*blocks=*/2, /*workers=*/2);
  std::int64_t space[2] = {-1, -1};
  std::int64_t seen[2] = {-1, -1};
  std::latch both(2);  // Neither is done with its block before the other has one.
  const auto run = [&](std::int64_t self) {
    shares.Run(
        self, [&](std::int64_t) { space[self] = 10 + self; },
        [&](std::int64_t block, const PanelShares::Place& place) {
          seen[block] = space[place.owner] - place.owner;
          both.arrive_and_wait();
        });
  };
  std::thread other(run, 1);
  run(0);
  other.join();
  EXPECT_EQ(seen[0], 10);
  EXPECT_EQ(seen[1], 10);
}

}  // namespace
}  // namespace lathe::trainer::kernels
