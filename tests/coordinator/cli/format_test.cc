#include "coordinator/cli/output/format.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lathe::cli {
namespace {

TEST(Format, Duration) {
  EXPECT_EQ(FormatDuration(-1), "0 s");
  EXPECT_EQ(FormatDuration(std::nan("")), "0 s");
  EXPECT_EQ(FormatDuration(0.42), "0.4 s");
  EXPECT_EQ(FormatDuration(42.2), "42 s");
  EXPECT_EQ(FormatDuration(59.7), "1m 00s");
  EXPECT_EQ(FormatDuration(185), "3m 05s");
  EXPECT_EQ(FormatDuration(8040), "2h 14m");
  EXPECT_EQ(FormatDuration(3 * 86400 + 4 * 3600 + 59), "3d 4h");
}

TEST(Format, Bytes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(std::uint64_t{90} << 20), "90.0 MiB");
  EXPECT_EQ(FormatBytes(std::uint64_t{80} << 30), "80.0 GiB");
}

TEST(Format, CountsAndLosses) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(812.4), "812");
  EXPECT_EQ(FormatCount(15210), "15,210");
  EXPECT_EQ(FormatCount(-1234567), "-1,234,567");
  EXPECT_EQ(FormatCount(std::nan("")), "-");
  EXPECT_EQ(FormatLoss(2.41344), "2.413");
  EXPECT_EQ(FormatLoss(0.000012), "1.2e-05");
}

TEST(Format, PercentReachesHundredOnlyAtTheEnd) {
  EXPECT_EQ(FormatPercent(0.29), "29 %");
  EXPECT_EQ(FormatPercent(0.999), "99 %");
  EXPECT_EQ(FormatPercent(1), "100 %");
  EXPECT_EQ(FormatPercent(1.5), "100 %");
}

TEST(Format, WidthCountsCharactersNotBytes) {
  EXPECT_EQ(DisplayWidth("naïve …"), 7U);
  EXPECT_EQ(FitWidth("naïve", 5), "naïve");
  EXPECT_EQ(FitWidth("naïvety", 4), "naï…");
  EXPECT_EQ(FitWidth("abc", 0), "");
}

}  // namespace
}  // namespace lathe::cli
