#include "worker/trainer/scoring/surroundings.h"

#include <algorithm>

namespace lathe::trainer::scoring {
namespace {

constexpr std::string_view kSpace = " \t\n\r";

}  // namespace

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

Marks MarksOf(const Around& one, const std::optional<std::string_view>& between_two) {
  std::string_view before = Trim(one.before);
  std::string_view after = Trim(one.after);
  if (!between_two) {
    before.remove_prefix(before.find_last_of('\n') + 1);
    after = after.substr(0, after.find('\n'));
  } else {
    const std::string_view between = Trim(*between_two);
    const auto behind = std::mismatch(after.begin(), after.end(), between.begin(), between.end());
    after = after.substr(0, static_cast<std::size_t>(behind.first - after.begin()));
    const auto front =
        std::mismatch(before.rbegin(), before.rend(), between.rbegin(), between.rend());
    before.remove_prefix(before.size() - static_cast<std::size_t>(front.first - before.rbegin()));
  }
  return {std::string(Trim(before)), std::string(Trim(after))};
}

}  // namespace lathe::trainer::scoring
