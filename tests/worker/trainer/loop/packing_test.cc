#include "worker/trainer/loop/packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "common/base/random.h"

namespace lathe::trainer::loop {
namespace {

std::vector<std::int64_t> DrawnLengths(std::size_t count, std::uint64_t longest) {
  Random random(5);
  std::vector<std::int64_t> lengths;
  for (std::size_t i = 0; i < count; ++i) {
    // Most are short, some are long, as chats are.
    const std::uint64_t cube =
        random.Below(longest) * random.Below(longest) * random.Below(longest);
    lengths.push_back(1 + static_cast<std::int64_t>(cube / (longest * longest)));
  }
  return lengths;
}

std::vector<std::size_t> Iota(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

std::int64_t Tokens(const MicroBatch& batch, const std::vector<std::int64_t>& lengths) {
  std::int64_t tokens = 0;
  for (const std::size_t index : batch) tokens += lengths[index];
  return tokens;
}

TEST(PackTest, EveryExampleIsThereOnceAndNoBudgetIsBroken) {
  const auto lengths = DrawnLengths(5000, 1000);
  const auto batches = Pack(Iota(5000), lengths, 1024);
  std::vector<std::size_t> seen;
  for (const MicroBatch& batch : batches) {
    EXPECT_LE(Tokens(batch, lengths), 1024);
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, Iota(5000));
}

TEST(PackTest, MicroBatchesAreNearlyFull) {
  for (const std::size_t count : {50U, 1000U, 20000U}) {
    const auto lengths = DrawnLengths(count, 1000);
    const std::int64_t tokens = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    const std::int64_t least = (tokens + 1023) / 1024;
    const auto batches = static_cast<std::int64_t>(Pack(Iota(count), lengths, 1024).size());
    EXPECT_LE(batches, least + 1 + least / 50) << count << " examples";
  }
}

TEST(PackTest, SmallCasesAreWhatOneWouldDo) {
  const std::vector<std::int64_t> lengths = {6, 3, 5, 4, 2};
  EXPECT_EQ(Pack(Iota(5), lengths, 10), (std::vector<MicroBatch>{{0, 3}, {1, 2, 4}}));
  EXPECT_TRUE(Pack({}, {}, 10).empty());
  // One that is too long is alone; it stops nobody.
  EXPECT_EQ(Pack(Iota(3), std::vector<std::int64_t>{3, 12, 3}, 10),
            (std::vector<MicroBatch>{{0, 2}, {1}}));
}

TEST(PackTest, ExamplesFarApartDoNotMeet) {
  const std::vector<std::int64_t> lengths(10000, 100);
  for (const MicroBatch& batch : Pack(Iota(10000), lengths, 1000)) {
    EXPECT_LT(batch.back() - batch.front(), 1000U);
  }
}

TEST(BalanceTest, MicroBatchesHaveEqualWork) {
  const auto lengths = DrawnLengths(64, 1000);
  const auto batches = Balance(Iota(64), lengths, {.parts = 8, .capacity = 8});
  ASSERT_EQ(batches.size(), 8U);
  std::vector<std::int64_t> work;
  for (const MicroBatch& batch : batches) {
    EXPECT_EQ(batch.size(), 8U);
    work.push_back(Tokens(batch, lengths));
  }
  const auto [least, most] = std::minmax_element(work.begin(), work.end());
  EXPECT_LT(static_cast<double>(*most), 1.1 * static_cast<double>(*least));
}

}  // namespace
}  // namespace lathe::trainer::loop
