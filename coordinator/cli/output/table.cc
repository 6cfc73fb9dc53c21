#include "coordinator/cli/output/table.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "coordinator/cli/output/format.h"

namespace lathe::cli {
namespace {

constexpr std::size_t kGap = 2;

std::string Padded(const std::string& text, std::size_t width, Align align, bool last) {
  const std::size_t used = DisplayWidth(text);
  const std::string space(width > used ? width - used : 0, ' ');
  if (align == Align::kRight) return space + text;
  return last ? text : text + space;
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells) {
  LATHE_CHECK(cells.size() == columns_.size(), "a row has one cell for each column");
  for (std::string& cell : cells) {
    if (cell.empty()) cell.push_back('-');
    // A line break in a value (an error message) would break the table apart.
    std::replace(cell.begin(), cell.end(), '\n', ' ');
  }
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::Widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = DisplayWidth(columns_[i].header);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i]));
    widths.push_back(width);
  }
  return widths;
}

std::string Table::Render(int width) const {
  const std::vector<std::size_t> widths = Widths();
  const auto line = [&](auto&& cell_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) text.append(kGap, ' ');
      text += Padded(cell_of(i), widths[i], columns_[i].align, i + 1 == columns_.size());
    }
    return (width > 0 ? FitWidth(text, static_cast<std::size_t>(width)) : text) + "\n";
  };
  std::string text = line([&](std::size_t i) { return columns_[i].header; });
  for (const auto& row : rows_) text += line([&](std::size_t i) { return row[i]; });
  return text;
}

}  // namespace lathe::cli
