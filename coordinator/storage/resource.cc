#include "coordinator/storage/resource.h"

#include <algorithm>

namespace lathe::storage {

std::string LatestFirst(Instant time) {
  // Sixteen digits of microseconds reach beyond the year 2200.
  constexpr std::int64_t kEnd = 9'999'999'999'999'998;
  const std::string left = std::to_string(kEnd - std::clamp<std::int64_t>(ToMicros(time), 0, kEnd));
  return std::string(16 - left.size(), '0') + left;
}

}  // namespace lathe::storage
