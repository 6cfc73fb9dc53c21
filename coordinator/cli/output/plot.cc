#include "coordinator/cli/output/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "coordinator/cli/output/format.h"

namespace lathe::cli {
namespace {

constexpr int kLabelWidth = 9;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /// Where the value lies, as one of `cells` numbers from 0.
  int Cell(double value, int cells) const {
    if (!(high > low)) return 0;
    const double share = (value - low) / (high - low);
    return std::clamp(static_cast<int>(std::lround(share * (cells - 1))), 0, cells - 1);
  }
};

std::vector<Point> Finite(std::span<const Point> points) {
  std::vector<Point> kept;
  std::copy_if(points.begin(), points.end(), std::back_inserter(kept),
               [](const Point& p) { return std::isfinite(p.x) && std::isfinite(p.y); });
  return kept;
}

/// The mean of what falls into each column; nullopt where nothing does.
std::vector<std::optional<double>> Columns(const std::vector<Point>& points, int count) {
  Range x;
  for (const Point& p : points) x.Include(p.x);
  std::vector<double> sums(static_cast<std::size_t>(count));
  std::vector<int> counts(sums.size());
  for (const Point& p : points) {
    const auto column = static_cast<std::size_t>(x.Cell(p.x, count));
    sums[column] += p.y;
    ++counts[column];
  }
  std::vector<std::optional<double>> means(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (counts[i] > 0) means[i] = sums[i] / counts[i];
  }
  return means;
}

/// U+2800 + bits, as UTF-8.
std::string BrailleCharacter(std::uint8_t bits) {
  return {'\xE2', static_cast<char>(0xA0 | (bits >> 6)), static_cast<char>(0x80 | (bits & 0x3F))};
}

/// Dots that are set one by one, written as characters of 2 x 4 (braille) or 1 x 1 dots.
class Canvas {
 public:
  Canvas(int columns, int lines, bool braille)
      : dots_x_(braille ? 2 : 1),
        dots_y_(braille ? 4 : 1),
        columns_(columns),
        cells_(static_cast<std::size_t>(columns * lines)),
        lines_(lines) {}

  int width() const { return columns_ * dots_x_; }
  int height() const { return lines_ * dots_y_; }

  /// (0, 0) is the lowest dot at the left.
  void Set(int x, int y) {
    const int from_top = height() - 1 - y;
    const int cell = from_top / dots_y_ * columns_ + x / dots_x_;
    // Unicode numbers the dots of a cell down the left column, down the right one, then the fourth
    // line.
    constexpr std::uint8_t kBits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    cells_[static_cast<std::size_t>(cell)] |= kBits[from_top % dots_y_][x % dots_x_];
  }

  std::string Line(int line) const {
    std::string text;
    for (int column = 0; column < columns_; ++column) {
      const std::uint8_t bits = cells_[static_cast<std::size_t>(line * columns_ + column)];
      text += dots_x_ == 2 ? BrailleCharacter(bits) : (bits != 0 ? "*" : " ");
    }
    return text;
  }

 private:
  int dots_x_;
  int dots_y_;
  int columns_;
  std::vector<std::uint8_t> cells_;
  int lines_;
};

void Draw(Canvas& canvas, const std::vector<std::optional<double>>& columns, const Range& y) {
  std::optional<int> previous;
  for (std::size_t x = 0; x < columns.size(); ++x) {
    if (!columns[x]) continue;
    const int at = y.Cell(*columns[x], canvas.height());
    // Neighbours are joined, so that a steep fall is still a line.
    const int from = previous ? *previous + (at > *previous ? 1 : at < *previous ? -1 : 0) : at;
    for (int dot = std::min(from, at); dot <= std::max(from, at); ++dot) {
      canvas.Set(static_cast<int>(x), dot);
    }
    previous = at;
  }
}

std::string Label(const std::string& text) {
  const std::size_t width = kLabelWidth - 1;
  return std::string(width - std::min(width, text.size()), ' ') + text + " ";
}

}  // namespace

std::vector<std::string> Plot(std::span<const Point> points, PlotSize size, bool braille) {
  const std::vector<Point> finite = Finite(points);
  const int columns = size.width - kLabelWidth - 1;
  if (finite.size() < 2 || columns < 4 || size.height < 1) return {};
  Canvas canvas(columns, size.height, braille);
  const auto means = Columns(finite, canvas.width());
  Range y;
  for (const auto& mean : means) {
    if (mean) y.Include(*mean);
  }
  Draw(canvas, means, y);
  std::vector<std::string> lines;
  for (int line = 0; line < size.height; ++line) {
    const bool labelled = line == 0 || line == size.height - 1;
    const std::string label = labelled ? FormatLoss(line == 0 ? y.high : y.low) : "";
    lines.push_back(Label(label) + (braille ? "│" : "|") + canvas.Line(line));
  }
  return lines;
}

}  // namespace lathe::cli
