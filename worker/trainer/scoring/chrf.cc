#include "worker/trainer/scoring/chrf.h"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "worker/trainer/tokenizer/utf8.h"

namespace lathe::trainer::scoring {
namespace {

constexpr std::size_t kLongestRun = 6;
constexpr double kBetaSquared = 4;

bool IsSpace(std::string_view character) {
  if (character.size() == 1) return std::string_view(" \t\n\v\f\r").find(character) < 6;
  return character == "\u00A0" || character == "\u3000";
}

/// Where the characters begin that count, in a text of nothing else, and its end.
struct Characters {
  explicit Characters(std::string_view whole) {
    for (std::size_t at = 0; at < whole.size();) {
      const std::string_view character = whole.substr(at, tokenizer::CharacterLength(whole, at));
      at += character.size();
      if (IsSpace(character)) continue;
      begins.push_back(text.size());
      text += character;
    }
    begins.push_back(text.size());
  }
  std::size_t count() const { return begins.size() - 1; }
  std::string_view Run(std::size_t first, std::size_t length) const {
    return std::string_view(text).substr(begins[first], begins[first + length] - begins[first]);
  }

  std::string text;
  std::vector<std::size_t> begins;
};

/// Runs of `length` characters that both texts have.
std::int64_t CommonRuns(const Characters& text, const Characters& reference, std::size_t length) {
  std::unordered_map<std::string_view, std::int64_t> left;
  for (std::size_t i = 0; i + length <= reference.count(); ++i) ++left[reference.Run(i, length)];
  std::int64_t common = 0;
  for (std::size_t i = 0; i + length <= text.count(); ++i) {
    const auto found = left.find(text.Run(i, length));
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++common;
  }
  return common;
}

}  // namespace

double ChrF(std::string_view text, std::string_view reference) {
  const Characters ours(text);
  const Characters theirs(reference);
  const std::size_t shorter = std::min(ours.count(), theirs.count());
  if (shorter == 0) return ours.count() == theirs.count() ? 1 : 0;
  const std::size_t orders = std::min(shorter, kLongestRun);
  double precision = 0;
  double recall = 0;
  for (std::size_t n = 1; n <= orders; ++n) {
    const auto common = static_cast<double>(CommonRuns(ours, theirs, n));
    precision += common / static_cast<double>(ours.count() - n + 1);
    recall += common / static_cast<double>(theirs.count() - n + 1);
  }
  if (precision == 0) return 0;
  precision /= static_cast<double>(orders);
  recall /= static_cast<double>(orders);
  return (1 + kBetaSquared) * precision * recall / (kBetaSquared * precision + recall);
}

}  // namespace lathe::trainer::scoring
