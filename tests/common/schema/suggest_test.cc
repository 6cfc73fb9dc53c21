#include "common/schema/suggest.h"

#include <gtest/gtest.h>

namespace lathe::schema {
namespace {

TEST(SuggestTest, CountsEditsAndIgnoresSpelling) {
  EXPECT_EQ(EditDistance("rank", "rank"), 0U);
  EXPECT_EQ(EditDistance("rnak", "rank"), 1U);
  EXPECT_EQ(EditDistance("ran", "rank"), 1U);
  EXPECT_EQ(EditDistance("batch_size", "batchSize"), 0U);
  EXPECT_EQ(EditDistance("", "abc"), 3U);
  EXPECT_EQ(EditDistance("abc", ""), 3U);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3U);
}

TEST(SuggestTest, NamesTheNearest) {
  const std::vector<std::string> names = {"epochs", "maxSteps", "batchSize"};
  EXPECT_EQ(Nearest("epoch", names), "epochs");
  EXPECT_EQ(Nearest("steps", names), "");
  EXPECT_EQ(Nearest("maxStep", names), "maxSteps");
  EXPECT_EQ(DidYouMean("batch-siz", names), "; did you mean `batchSize`?");
}

TEST(SuggestTest, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(Nearest("zzz", {"epochs"}), "");
  EXPECT_EQ(Nearest("epochs", {}), "");
  EXPECT_EQ(Nearest(std::string(5000, 'e'), {"epochs"}), "");
  EXPECT_EQ(DidYouMean("zzz", {"epochs"}), "");
}

}  // namespace
}  // namespace lathe::schema
