#include "worker/trainer/kernels/panel_shares.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace lathe::trainer::kernels {
namespace {

/// Counts what is multiplied, and what is multiplied with a panel that is not in its place.
class Recorder {
 public:
  Recorder(std::int64_t panels, std::int64_t blocks, std::int64_t workers)
      : blocks_(blocks),
        done_(static_cast<std::size_t>(panels * blocks)),
        space_(static_cast<std::size_t>(workers)),
        shares_(panels, blocks, workers) {
    for (auto& space : space_) space.store(-1);
  }

  void Run(std::int64_t self) {
    shares_.Run(
        self, [&](std::int64_t panel) { space_[static_cast<std::size_t>(self)].store(panel); },
        [&](std::int64_t block, const PanelShares::Place& place) {
          if (space_[static_cast<std::size_t>(place.owner)].load() != place.panel) ++wrong_;
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
  std::vector<std::atomic<std::int64_t>> space_;
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
    std::vector<std::thread> threads;
    for (std::int64_t i = 0; i < kWorkers; ++i) {
      threads.emplace_back([&recorder, i] { recorder.Run(i); });
    }
    for (std::thread& thread : threads) thread.join();
    recorder.ExpectAllDoneOnce();
  }
}

}  // namespace
}  // namespace lathe::trainer::kernels
