#include "worker/trainer/distributed/share.h"

#include <gtest/gtest.h>

#include <map>

namespace lathe::trainer::distributed {
namespace {

using MicroBatches = std::vector<std::vector<std::size_t>>;

/// All ranks' pieces by index; fails when one comes twice.
std::map<std::size_t, std::vector<std::size_t>> All(const MicroBatches& batches, int size) {
  std::map<std::size_t, std::vector<std::size_t>> pieces;
  for (int rank = 0; rank < size; ++rank) {
    for (const Piece& piece : Share(batches, rank, size)) {
      EXPECT_TRUE(pieces.emplace(piece.index, piece.items).second);
    }
  }
  return pieces;
}

TEST(ShareTest, WholeMicroBatchesKeepTheirNumber) {
  const MicroBatches batches = {{4, 1}, {2}, {0, 3}};
  for (const int size : {1, 2, 3}) {
    const auto pieces = All(batches, size);
    ASSERT_EQ(pieces.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(pieces.at(i), batches[i]);
  }
  EXPECT_EQ(Share(batches, 0, 2).size(), 2U);
  EXPECT_EQ(Share(batches, 1, 2).size(), 1U);
}

TEST(ShareTest, FewMicroBatchesAreCutSoThatEveryProcessWorks) {
  const MicroBatches batches = {{0, 1, 2, 3, 4}, {5, 6, 7, 8}};
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(Share(batches, rank, 4).size(), 1U);
  std::vector<std::size_t> items;
  for (const auto& [index, piece] : All(batches, 4)) {
    items.insert(items.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(items, (std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(ShareTest, NothingIsLostWhenThereAreFewerExamplesThanProcesses) {
  const auto pieces = All({{7, 8}}, 5);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces.begin()->second, std::vector<std::size_t>{7});
  EXPECT_TRUE(All({}, 3).empty());
}

}  // namespace
}  // namespace lathe::trainer::distributed
