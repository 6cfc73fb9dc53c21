#include "worker/spool/spool.h"

#include <gtest/gtest.h>

#include <fstream>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::worker::spool {
namespace {

class SpoolTest : public testing::Test {
 protected:
  std::unique_ptr<Spool> Open() { return Spool::Open(path_).value(); }
  static std::vector<Spool::Record> Records(int from, int to) {
    std::vector<Spool::Record> records;
    for (int i = from; i <= to; ++i) {
      records.push_back(
          {{static_cast<std::uint64_t>(10 * i), 3}, "{\"n\":" + std::to_string(i) + "}"});
    }
    return records;
  }
  TempDir folder_ = TempDir::Create().value();
  const std::filesystem::path path_ = folder_.path() / "1.spool";
};

TEST_F(SpoolTest, NumbersWithoutGapOverRestarts) {
  auto spool = Open();
  EXPECT_EQ(spool->last(), 0u);
  ASSERT_TRUE(spool->Append(Records(1, 2)));
  spool.reset();
  spool = Open();
  EXPECT_EQ(spool->last(), 2u);
  EXPECT_EQ(spool->offsets(), (SourceOffsets{20, 3}));
  ASSERT_TRUE(spool->Append(Records(3, 3)));
  const auto entries = spool->Read(0, 10, 1000).value();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[2].sequence, 3u);
  EXPECT_EQ(entries[2].json, "{\"n\":3}");
}

TEST_F(SpoolTest, ATornRecordIsCutOffAndItsNumberGivenAgain) {
  ASSERT_TRUE(Open()->Append(Records(1, 2)));
  std::ofstream(path_, std::ios::app) << "3 30 3 {\"n\":";
  auto spool = Open();
  EXPECT_EQ(spool->last(), 2u);
  EXPECT_EQ(spool->offsets().events, 20u) << "the line is read from its source once more";
  ASSERT_TRUE(spool->Append(Records(3, 3)));
  EXPECT_EQ(Open()->Read(2, 10, 1000).value().at(0).json, "{\"n\":3}");
}

TEST_F(SpoolTest, ADamagedRecordIsAnError) {
  std::ofstream(path_) << "1 0 0 {}\n5 0 0 {}\n";
  const auto spool = Spool::Open(path_);
  ASSERT_FALSE(spool);
  EXPECT_EQ(spool.error().code, ErrorCode::kDataLoss);
  EXPECT_NE(spool.error().message.find("byte 9"), std::string::npos) << spool.error().message;
}

TEST_F(SpoolTest, ReadsInBoundedPieces) {
  auto spool = Open();
  ASSERT_TRUE(spool->Append(Records(1, 9)));
  EXPECT_EQ(spool->Read(2, 3, 1000).value().size(), 3u);
  EXPECT_EQ(spool->Read(2, 100, 40).value().size(), 2u);
  EXPECT_EQ(spool->Read(2, 100, 1).value().size(), 1u) << "always goes on";
  EXPECT_TRUE(spool->Read(9, 100, 1000).value().empty());
}

TEST_F(SpoolTest, TheAcknowledgedNumberSurvives) {
  auto spool = Open();
  ASSERT_TRUE(spool->Append(Records(1, 12)));
  spool->Acknowledge(11);
  spool->Acknowledge(4);
  EXPECT_EQ(Open()->acknowledged(), 11u);
  EXPECT_GT(spool->unsent_bytes(), 0u);
  spool->Acknowledge(99);
  EXPECT_EQ(spool->acknowledged(), 12u);
  EXPECT_EQ(spool->unsent_bytes(), 0u);
  std::filesystem::remove(path_.string() + ".acked");
  EXPECT_EQ(Open()->acknowledged(), 0u) << "sent again";
}

}  // namespace
}  // namespace lathe::worker::spool
