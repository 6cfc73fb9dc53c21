#include "coordinator/cli/output/plot.h"

#include <gtest/gtest.h>

#include <cmath>

#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/progress_bar.h"

namespace lathe::cli {
namespace {

TEST(Plot, AFallingLineInPlainCharacters) {
  const std::vector<Point> points = {{1, 4}, {2, 3}, {3, 2}, {4, 1}};
  const std::vector<std::string> lines = Plot(points, {.width = 14, .height = 4}, false);
  EXPECT_EQ(lines, (std::vector<std::string>{"       4 |*   ", "         | *  ", "         |  * ",
                                             "       1 |   *"}));
}

TEST(Plot, BrailleHasEightDotsACharacter) {
  const std::vector<Point> points = {{0, 0}, {1, 1}};
  const std::vector<std::string> lines = Plot(points, {.width = 14, .height = 1}, true);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(DisplayWidth(lines[0]), 14U);
  // The lowest dot at the left, and at the right the line up to the highest.
  EXPECT_NE(lines[0].find("⡀"), std::string::npos);
  EXPECT_NE(lines[0].find("⠸"), std::string::npos) << lines[0];
}

TEST(Plot, ManyPointsOfAColumnAreAveraged) {
  std::vector<Point> points;
  for (int i = 0; i < 10000; ++i) points.push_back({double(i), i % 2 == 0 ? 1.0 : 3.0});
  const auto lines = Plot(points, {.width = 20, .height = 3}, false);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_NEAR(std::stod(lines[0].substr(0, 9)), 2, 0.01);
  EXPECT_NEAR(std::stod(lines[2].substr(0, 9)), 2, 0.01);
}

TEST(Plot, WhatCannotBeDrawnGivesNothing) {
  EXPECT_TRUE(Plot({}, {}, true).empty());
  EXPECT_TRUE(Plot(std::vector<Point>{{1, 1}}, {}, true).empty());
  EXPECT_TRUE(Plot(std::vector<Point>{{1, NAN}, {2, INFINITY}}, {}, true).empty());
  EXPECT_TRUE(Plot(std::vector<Point>{{1, 1}, {2, 2}}, {.width = 8}, true).empty());
}

TEST(ProgressBar, FillsAndClamps) {
  EXPECT_EQ(ProgressBar(0.5, 10, false), "#####.....");
  EXPECT_EQ(ProgressBar(-1, 4, false), "....");
  EXPECT_EQ(ProgressBar(2, 4, true), "━━━━");
}

}  // namespace
}  // namespace lathe::cli
