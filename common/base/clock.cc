#include "common/base/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace lathe {
namespace {

Duration ReadClock(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds(ts.tv_sec) +
                                              std::chrono::nanoseconds(ts.tv_nsec));
}

}  // namespace

Instant SystemClock::Now() const {
  return Instant(ReadClock(CLOCK_REALTIME));
}

MonotonicInstant SystemClock::MonotonicNow() const {
  return MonotonicInstant(ReadClock(CLOCK_BOOTTIME));
}

std::string ToRfc3339(Instant t) {
  const auto since_epoch = t.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch - seconds).count();
  const std::time_t unix_seconds = seconds.count();
  std::tm utc{};
  gmtime_r(&unix_seconds, &utc);
  std::array<char, 40> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%s.%03dZ", date.data(), static_cast<int>(millis));
  return text.data();
}

}  // namespace lathe
