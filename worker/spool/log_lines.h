#pragma once
// Turns what a trainer writes to its standard output and error into log events, at a bounded rate:
// a trainer that floods its log must not flood the coordinator. Not thread-safe.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"

namespace lathe::worker::spool {

class LogLines {
 public:
  static constexpr std::size_t kMaxLineBytes = 2000;  ///< the rest of a longer line is cut
  static constexpr double kLinesPerSecond = 50;
  static constexpr double kBurst = 500;

  explicit LogLines(Instant now) : refilled_(now) {}

  /// {"type":"log","time":"...","line":"..."}, or nothing when the line is over the rate. The first
  /// line that passes again is preceded by one that says how many were left out.
  std::vector<std::string> Take(std::string_view line, Instant now);

  /// The line that says how many were left out since the last that passed; empty when none was.
  std::vector<std::string> TakeLeftOut(Instant now);

 private:
  double tokens_ = kBurst;
  Instant refilled_;
  std::uint64_t left_out_ = 0;
};

/// One log event. Bytes that are not UTF-8 are replaced.
std::string LogEvent(std::string_view line, Instant now);

}  // namespace lathe::worker::spool
