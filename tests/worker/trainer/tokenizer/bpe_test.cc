#include "worker/trainer/tokenizer/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lathe::trainer::tokenizer {
namespace {

BpeModel SmallModel() {
  BpeModel model;
  model.vocabulary = {{"a", 0}, {"b", 1}, {"c", 2}, {"ab", 3}, {"bc", 4}, {"abc", 5}, {"<unk>", 6}};
  model.merges = {{"b", "c"}, {"a", "b"}, {"a", "bc"}};
  return model;
}

std::vector<std::int32_t> Ids(const BpeModel& model, std::string_view word) {
  std::vector<std::int32_t> ids;
  const Bpe bpe = Bpe::Create(model).value();
  for (const WordToken& token : bpe.Encode(word)) ids.push_back(token.id);
  return ids;
}

TEST(BpeTest, LowestRankMergesFirst) {
  EXPECT_THAT(Ids(SmallModel(), "ab"), testing::ElementsAre(3));
  EXPECT_THAT(Ids(SmallModel(), "abc"), testing::ElementsAre(5));
  EXPECT_THAT(Ids(SmallModel(), "aabcb"), testing::ElementsAre(0, 5, 1));
  EXPECT_THAT(Ids(SmallModel(), ""), testing::ElementsAre());
}

TEST(BpeTest, IgnoreMergesTakesWholeWords) {
  BpeModel model = SmallModel();
  model.merges = {{"a", "b"}};
  EXPECT_THAT(Ids(model, "abc"), testing::ElementsAre(3, 2));
  model.ignore_merges = true;
  EXPECT_THAT(Ids(model, "abc"), testing::ElementsAre(5));
}

TEST(BpeTest, UnknownBytesVanishOrBecomeTheUnknownToken) {
  BpeModel model = SmallModel();
  EXPECT_THAT(Ids(model, "axxb"), testing::ElementsAre(3));
  model.unknown = 6;
  EXPECT_THAT(Ids(model, "axxb"), testing::ElementsAre(0, 6, 6, 1));
  model.fuse_unknown = true;
  EXPECT_THAT(Ids(model, "axxb"), testing::ElementsAre(0, 6, 1));
}

TEST(BpeTest, TokensKnowWhereTheyEnd) {
  const Bpe bpe = Bpe::Create(SmallModel()).value();
  for (int round = 0; round < 2; ++round) {  // Second time from the cache.
    const auto tokens = bpe.Encode("abca");
    ASSERT_EQ(tokens.size(), 2U);
    EXPECT_EQ(tokens[0].end, 3U);
    EXPECT_EQ(tokens[1].end, 4U);
  }
}

TEST(BpeTest, MergesOfUnknownTokensAreRefused) {
  BpeModel model = SmallModel();
  model.merges.emplace_back("c", "c");
  const auto made = Bpe::Create(model);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, testing::HasSubstr("merge 3"));
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
