#pragma once
// A small line plot of text: dots of braille where the terminal has them, else plain characters.
// Pure.

#include <span>
#include <string>
#include <vector>

namespace lathe::cli {

struct Point {
  double x = 0;
  double y = 0;
};

struct PlotSize {
  int width = 60;  ///< columns, with the labels of the y axis
  int height = 6;  ///< lines
};

/// Lines from top to bottom, the highest and lowest y written at the left. Several points in one
/// column of dots are averaged. Points that are not finite are left out; fewer than two give none.
std::vector<std::string> Plot(std::span<const Point> points, PlotSize size, bool braille);

}  // namespace lathe::cli
