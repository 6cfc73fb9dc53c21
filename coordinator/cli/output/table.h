#pragma once
// Columns of text with a header line, aligned by spaces only, so that `awk` and eyes can both read
// it. The last column is never padded. Not thread-safe.

#include <string>
#include <vector>

namespace lathe::cli {

enum class Align { kLeft, kRight };

struct Column {
  std::string header;
  Align align = Align::kLeft;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as columns; an empty cell is shown as "-".
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  /// Lines with newlines. Lines longer than `width` columns are cut; 0 means no limit.
  std::string Render(int width = 0) const;

 private:
  std::vector<std::size_t> Widths() const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace lathe::cli
