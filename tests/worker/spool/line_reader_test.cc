#include "worker/spool/line_reader.h"

#include <gtest/gtest.h>

#include <fstream>

#include "common/base/temp_dir.h"

namespace lathe::worker::spool {
namespace {

class LineReaderTest : public testing::Test {
 protected:
  void Write(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  TempDir folder_ = TempDir::Create().value();
  const std::filesystem::path path_ = folder_.path() / "lines";
};

TEST_F(LineReaderTest, LeavesATornLineForLater) {
  LineReader reader(path_, 0);
  EXPECT_TRUE(reader.Read().value().empty()) << "no file yet";
  Write("one\ntw");
  const auto first = reader.Read().value();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].text, "one");
  EXPECT_EQ(first[0].end, 4u);
  EXPECT_TRUE(reader.Read().value().empty());
  EXPECT_EQ(EndOfCompleteLines(path_).value(), 4u);
  Write("o\n\n");
  const auto second = reader.Read().value();
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(second[0].text, "two");
  EXPECT_EQ(second[0].begin, 4u);
  EXPECT_EQ(second[1].text, "");
  EXPECT_EQ(reader.offset(), 9u);
}

TEST_F(LineReaderTest, ReadToEndTakesTheTornLine) {
  Write("one\ntw");
  LineReader reader(path_, 4);
  EXPECT_EQ(reader.ReadToEnd().value().at(0).text, "tw");
  EXPECT_TRUE(reader.ReadToEnd().value().empty());
}

TEST_F(LineReaderTest, AVeryLongLineComesInPieces) {
  Write(std::string(LineReader::kMaxLineBytes + 5, 'x') + "\n");
  LineReader reader(path_, 0);
  EXPECT_EQ(reader.Read().value().at(0).text.size(), LineReader::kMaxLineBytes);
  EXPECT_EQ(reader.Read().value().at(0).text, "xxxxx");
  EXPECT_EQ(EndOfCompleteLines(path_).value(), LineReader::kMaxLineBytes + 6);
}

TEST_F(LineReaderTest, EndOfCompleteLinesWithoutANewlineIsTheBeginning) {
  EXPECT_EQ(EndOfCompleteLines(path_).value(), 0u);
  Write("half a line");
  EXPECT_EQ(EndOfCompleteLines(path_).value(), 0u);
}

}  // namespace
}  // namespace lathe::worker::spool
