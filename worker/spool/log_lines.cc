#include "worker/spool/log_lines.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lathe::worker::spool {

std::string LogEvent(std::string_view line, Instant now) {
  std::string text(line.substr(0, LogLines::kMaxLineBytes));
  if (line.size() > text.size()) {
    // Not in the middle of a UTF-8 sequence.
    const std::size_t first_cut = text.size();
    while (!text.empty() && (static_cast<unsigned char>(line[text.size()]) & 0xC0) == 0x80 &&
           first_cut - text.size() < 4) {
      text.pop_back();
    }
    text += "… (" + std::to_string(line.size() - text.size()) + " bytes cut)";
  }
  const nlohmann::json event = {{"type", "log"}, {"time", ToRfc3339(now)}, {"line", text}};
  return event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> LogLines::Take(std::string_view line, Instant now) {
  const double seconds = std::chrono::duration<double>(now - refilled_).count();
  tokens_ = std::min(kBurst, tokens_ + std::max(0.0, seconds) * kLinesPerSecond);
  refilled_ = now;
  if (tokens_ < 1) {
    ++left_out_;
    return {};
  }
  tokens_ -= 1;
  std::vector<std::string> events = TakeLeftOut(now);
  events.push_back(LogEvent(line, now));
  return events;
}

std::vector<std::string> LogLines::TakeLeftOut(Instant now) {
  if (left_out_ == 0) return {};
  const std::uint64_t count = std::exchange(left_out_, 0);
  return {LogEvent("(" + std::to_string(count) + " lines left out: too many a second)", now)};
}

}  // namespace lathe::worker::spool
