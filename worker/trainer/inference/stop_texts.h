#pragma once
// Texts that end an answer: they are found across the pieces in which it comes, and nothing of them
// is passed on.

#include <string>
#include <string_view>
#include <vector>

namespace lathe::trainer::inference {

/// Not thread-safe.
class StopTexts {
 public:
  /// None of the texts is empty.
  explicit StopTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  /// What can be shown now that `piece` has come: all but an end that may be the beginning of a
  /// stop text. Where one is complete, what stands before the first of them, and nothing any more.
  std::string Push(std::string_view piece);
  /// What was held back and is no stop text, now that nothing more comes.
  std::string Finish();
  /// Whether a stop text has come.
  bool found() const { return found_; }

 private:
  std::vector<std::string> texts_;
  std::string pending_;
  bool found_ = false;
};

}  // namespace lathe::trainer::inference
