#include "worker/trainer/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/data/golden_model.h"
#include "tests/worker/trainer/formats/test_files.h"

namespace lathe::trainer::data {
namespace {

using testing::HasSubstr;

class DatasetTest : public testing::Test {
 protected:
  Result<Dataset> Read(std::string_view text, const TextModel* model = nullptr) {
    formats::WriteQuickly(dir_.path() / "d.jsonl", text);
    return ReadDataset(dir_.path() / "d.jsonl", settings_, [&]() -> Result<const TextModel*> {
      if (model != nullptr) return model;
      return Failure(ErrorCode::kNotFound, "no tokenizer.json");
    });
  }
  TempDir dir_ = TempDir::Create().value();
  DatasetSettings settings_{.vocabulary = 100, .sequence_length = 4};
};

constexpr const char* kRow = R"({"input_ids": [1, 2, 3], "labels": [-100, 2, 3]})";

TEST_F(DatasetTest, KeepsTheFilesOrderAndSkipsBlankLines) {
  const auto read = Read(
      "\xEF\xBB\xBF"
      R"({"input_ids": [9, 8], "labels": [9, 8]})"
      "\n\n  \r\n" +
      std::string(kRow) + "\r\n");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->examples.size(), 2U);
  EXPECT_THAT(read->examples[0].tokens, testing::ElementsAre(9, 8));
  EXPECT_TRUE(read->warnings.empty());
}

TEST_F(DatasetTest, AllBrokenRowsAreReportedWithTheirLine) {
  const auto read = Read(std::string(kRow) + "\n{\n" + kRow + "\n7\n");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
  ASSERT_EQ(read.error().findings.size(), 2U);
  EXPECT_THAT(read.error().findings[0].path, testing::EndsWith("d.jsonl:2"));
  EXPECT_THAT(read.error().findings[1].path, testing::EndsWith("d.jsonl:4"));
  EXPECT_THAT(read.error().message, HasSubstr("line 2"));
}

TEST_F(DatasetTest, EmptyAndMissingFilesAreRefused) {
  EXPECT_THAT(Read("").error().message, HasSubstr("is empty"));
  EXPECT_THAT(Read("\n \n").error().message, HasSubstr("is empty"));
  EXPECT_EQ(ReadDataset(dir_.path() / "none", settings_, {}).error().code, ErrorCode::kNotFound);
}

TEST_F(DatasetTest, LongRowsAreCutWithAWarning) {
  const auto read = Read(R"({"input_ids": [1, 2, 3, 4, 5, 6], "labels": [1, 2, 3, 4, 5, 6]})"
                         "\n"
                         R"({"input_ids": [1, 2, 3, 4, 5], "labels": [-100, -100, -100, -100, 5]})"
                         "\n");
  ASSERT_TRUE(read);
  ASSERT_EQ(read->examples.size(), 1U);
  EXPECT_EQ(read->examples[0].tokens.size(), 4U);
  EXPECT_EQ(read->examples[0].labels.size(), 4U);
  ASSERT_EQ(read->warnings.size(), 2U);
  EXPECT_THAT(read->warnings[0], HasSubstr("1 of 2"));
  EXPECT_THAT(read->warnings[0], HasSubstr("(2 tokens)"));
  EXPECT_THAT(read->warnings[1], HasSubstr("dropped (5 tokens)"));
  EXPECT_EQ(read->counts.cut_rows, 1);
  EXPECT_EQ(read->counts.dropped_rows, 1);
}

constexpr const char* kLongRow = R"({"input_ids": [1, 2, 3, 4, 5], "labels": [1, 2, 3, 4, 5]})";

TEST_F(DatasetTest, LongRowsAreDroppedWhereThatIsAskedFor) {
  settings_.long_rows = LongRows::kDrop;
  const auto read = Read(std::string(kRow) + "\n" + kLongRow + "\n" + kLongRow + "\n");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->examples.size(), 1U);
  EXPECT_EQ(read->counts.dropped_rows, 2);
  EXPECT_EQ(read->counts.dropped_tokens, 10);
  EXPECT_EQ(read->counts.cut_rows, 0);
  ASSERT_EQ(read->warnings.size(), 1U);
  EXPECT_THAT(read->warnings[0], HasSubstr("2 of 3"));
  const auto none = Read(kLongRow);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(none.error().message, HasSubstr("raise schedule.sequenceLength"));
}

TEST_F(DatasetTest, LongRowsAreBrokenWhereThatIsAskedFor) {
  settings_.long_rows = LongRows::kError;
  const auto read = Read(std::string(kLongRow) + "\n" + kRow + "\n" + kLongRow + "\n");
  ASSERT_FALSE(read);
  ASSERT_EQ(read.error().findings.size(), 2U);
  EXPECT_THAT(read.error().findings[1].path, testing::EndsWith("d.jsonl:3"));
  EXPECT_THAT(read.error().findings[1].message, HasSubstr("1 tokens more"));
  EXPECT_TRUE(Read(kRow));
}

TEST_F(DatasetTest, MaxSamplesStopsReading) {
  settings_.max_samples = 2;
  const auto read = Read(std::string(kRow) + "\n" + kRow + "\nbroken but never read\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->examples.size(), 2U);
}

TEST_F(DatasetTest, TextNeedsATokenizer) {
  EXPECT_THAT(Read(R"({"text": "x"})").error().message, HasSubstr("tokenizer"));
  const TextModel model = GoldenModel("smollm2", "");
  settings_.vocabulary = 49152;
  EXPECT_TRUE(Read(R"({"text": "x"})", &model));
}

TEST_F(DatasetTest, TheMissingTokenizerIsToldOnceAndNotForEachRow) {
  const auto read = Read(R"({"text": "x"})"
                         "\n"
                         R"({"text": "y"})"
                         "\n");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(read.error().message, HasSubstr("d.jsonl has rows of format text"));
  EXPECT_THAT(read.error().message, HasSubstr("no tokenizer.json"));
  EXPECT_TRUE(read.error().findings.empty());
}

TEST_F(DatasetTest, ATokenizerWithMoreTokensThanTheModelIsNoticed) {
  const TextModel model = GoldenModel("smollm2", "");
  const auto read = Read(R"({"text": "x"})", &model);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("outside the vocabulary of 100"));
}

TEST_F(DatasetTest, RowsOfAnotherFormatAreBroken) {
  const auto read = Read(std::string(kRow) + "\n" + R"({"text": "x"})" + "\n");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().findings[0].path, testing::EndsWith(":2"));
}

TEST_F(DatasetTest, MutatedRowsNeverCrash) {
  const TextModel model = GoldenModel("smollm2", "chat_template");
  settings_.vocabulary = 49152;
  const std::string sound =
      R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a"}]})";
  Random random(6);
  for (int round = 0; round < 1000; ++round) {
    std::string row = sound;
    for (std::uint64_t i = 0; i < 1 + random.Below(4); ++i) {
      row[random.Below(row.size())] = static_cast<char>(random.Next());
    }
    const auto read = Read(row, &model);
    if (read) {
      EXPECT_LE(read->examples.size(), 2U);
    }
  }
}

class PairsTest : public DatasetTest {
 protected:
  PairsTest() { settings_.content = Content::kPairs; }
};

constexpr const char* kPair = R"({"prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4]})";

TEST_F(PairsTest, LieSideBySideChosenFirst) {
  const auto read = Read(std::string(kPair) + "\n" + kPair);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->group, 2U);
  ASSERT_EQ(read->examples.size(), 4U);
  EXPECT_THAT(read->examples[2].tokens, testing::ElementsAre(1, 2, 3));
  EXPECT_THAT(read->examples[3].tokens, testing::ElementsAre(1, 2, 4));
}

TEST_F(PairsTest, ThatTheCutMakesEmptyOrEqualAreLeftOut) {
  const auto read = Read(std::string(kPair) + R"(
    {"prompt_ids": [1, 2, 3, 4], "chosen_ids": [3], "rejected_ids": [4]}
    {"prompt_ids": [1], "chosen_ids": [2, 3, 4, 5], "rejected_ids": [2, 3, 4, 6]}
    {"prompt_ids": [1], "chosen_ids": [2, 3, 4, 5], "rejected_ids": [2]}
)");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->examples.size(), 4U);
  EXPECT_THAT(read->examples[2].tokens, testing::ElementsAre(1, 2, 3, 4));
  ASSERT_EQ(read->warnings.size(), 2U);
  EXPECT_THAT(read->warnings[0], HasSubstr("1 of 4"));
  EXPECT_THAT(read->warnings[1], HasSubstr("2 of 4"));
  EXPECT_EQ(read->counts.cut_tokens, 1);
  EXPECT_EQ(read->counts.dropped_tokens, 20);
}

TEST_F(PairsTest, WithALongAnswerAreDroppedWhole) {
  settings_.long_rows = LongRows::kDrop;
  const auto read = Read(std::string(kPair) + R"(
    {"prompt_ids": [1], "chosen_ids": [2, 3, 4, 5], "rejected_ids": [2]}
)");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->examples.size(), 2U);
  EXPECT_EQ(read->counts.dropped_rows, 1);
  EXPECT_EQ(read->counts.dropped_tokens, 7);
}

TEST_F(PairsTest, BrokenOnesAreReportedWithTheirLine) {
  const auto read = Read(std::string(kPair) + "\n" +
                         R"({"prompt_ids": [1], "chosen_ids": [2], "rejected_ids": [2]})");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().findings.at(0).path, testing::EndsWith("d.jsonl:2"));
  EXPECT_THAT(read.error().message, HasSubstr("the same"));
}

TEST_F(PairsTest, SupervisedDataIsRefusedAsAWholeAndTheOtherWayRound) {
  const auto rows = Read(std::string(kRow) + "\n" + kRow);
  ASSERT_FALSE(rows);
  EXPECT_TRUE(rows.error().findings.empty());
  EXPECT_THAT(rows.error().message, HasSubstr("format tokenized, but objective.type dpo"));
  settings_.content = Content::kSequences;
  const auto pairs = Read(kPair);
  ASSERT_FALSE(pairs);
  EXPECT_THAT(pairs.error().message, HasSubstr("set objective.type dpo"));
}

TEST_F(PairsTest, MutatedRowsNeverCrash) {
  const TextModel model = GoldenModel("smollm2", "chat_template");
  settings_.vocabulary = 49152;
  const std::string sound =
      R"({"chosen": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a"}],)"
      R"("rejected": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "b"}]})";
  Random random(6);
  for (int round = 0; round < 500; ++round) {
    std::string row = sound;
    for (std::uint64_t i = 0; i < 1 + random.Below(4); ++i) {
      row[random.Below(row.size())] = static_cast<char>(random.Next());
    }
    static_cast<void>(Read(row, &model));
  }
}

TEST(SplitTest, NeverPartsAPair) {
  Dataset pairs{.group = 2};
  for (std::int64_t i = 0; i < 20; ++i) pairs.examples.push_back({{i / 2}, {i % 2}});
  const Split split = SplitExamples(std::move(pairs), 0.7, 3);
  ASSERT_EQ(split.train.size(), 14U);
  ASSERT_EQ(split.validation.size(), 6U);
  for (std::size_t i = 0; i < 14; i += 2) {
    EXPECT_EQ(split.train[i].tokens, split.train[i + 1].tokens);
    EXPECT_EQ(split.train[i].labels[0], 0);
  }
}

std::vector<Example> Numbered(std::int64_t count) {
  std::vector<Example> examples;
  for (std::int64_t i = 0; i < count; ++i) examples.push_back({{i, i}, {i, i}});
  return examples;
}

TEST(SplitTest, IsDecidedByTheSeedAndKeepsTheOrder) {
  const Split first = SplitExamples({.examples = Numbered(100)}, 0.9, 42);
  const Split again = SplitExamples({.examples = Numbered(100)}, 0.9, 42);
  const Split other = SplitExamples({.examples = Numbered(100)}, 0.9, 43);
  ASSERT_EQ(first.train.size(), 90U);
  ASSERT_EQ(first.validation.size(), 10U);
  const auto ids = [](const std::vector<Example>& part) {
    std::vector<std::int64_t> numbers;
    for (const Example& example : part) numbers.push_back(example.tokens[0]);
    return numbers;
  };
  EXPECT_EQ(ids(first.validation), ids(again.validation));
  EXPECT_NE(ids(first.validation), ids(other.validation));
  EXPECT_TRUE(std::is_sorted(first.train.begin(), first.train.end(),
                             [](const auto& a, const auto& b) { return a.tokens < b.tokens; }));
}

TEST(SplitTest, PartsAreNotEmptyUnlessAskedFor) {
  EXPECT_EQ(SplitExamples({.examples = Numbered(2)}, 0.99, 1).validation.size(), 1U);
  EXPECT_EQ(SplitExamples({.examples = Numbered(2)}, 0.01, 1).train.size(), 1U);
  EXPECT_EQ(SplitExamples({.examples = Numbered(5)}, 1, 1).validation.size(), 0U);
  EXPECT_EQ(SplitExamples({.examples = Numbered(5)}, 0, 1).train.size(), 0U);
  EXPECT_EQ(SplitExamples({.examples = Numbered(1)}, 0.9, 1).train.size(), 1U);
  EXPECT_TRUE(SplitExamples({}, 0.5, 1).train.empty());
}

}  // namespace
}  // namespace lathe::trainer::data
