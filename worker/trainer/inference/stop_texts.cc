#include "worker/trainer/inference/stop_texts.h"

#include <algorithm>
#include <utility>

namespace lathe::trainer::inference {
namespace {

/// Length of the longest end of `text` with which `stop` begins; less than all of `stop`.
std::size_t Overlap(std::string_view text, std::string_view stop) {
  std::size_t length = std::min(text.size(), stop.size() - 1);
  while (length > 0 && !text.ends_with(stop.substr(0, length))) --length;
  return length;
}

}  // namespace

std::string StopTexts::Push(std::string_view piece) {
  if (found_) return {};
  pending_ += piece;
  std::size_t first = std::string::npos;
  std::size_t held = 0;
  for (const std::string& stop : texts_) {
    first = std::min(first, pending_.find(stop));
    held = std::max(held, Overlap(pending_, stop));
  }
  found_ = first != std::string::npos;
  std::string shown = pending_.substr(0, found_ ? first : pending_.size() - held);
  pending_.erase(0, found_ ? pending_.size() : shown.size());
  return shown;
}

std::string StopTexts::Finish() {
  return std::exchange(pending_, {});
}

}  // namespace lathe::trainer::inference
