#pragma once
// Numbers heartbeats and remembers when each was sent, because the lease counts from there. Not
// thread-safe.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "common/base/clock.h"

namespace lathe::worker {

class Heartbeats {
 public:
  /// Whatever the coordinator asks for, the loop must get to other things.
  static constexpr std::chrono::milliseconds kShortestInterval{50};

  /// A session has opened; the first heartbeat is due one interval later.
  void Begin(Duration interval, MonotonicInstant now) {
    interval_ = std::max<Duration>(interval, kShortestInterval);
    due_ = now + interval_;
    sent_.clear();
  }
  void End() { due_.reset(); }
  std::optional<MonotonicInstant> due() const { return due_; }

  /// The number of the heartbeat that is to be sent now; nullopt when none is due.
  std::optional<std::uint64_t> Next(MonotonicInstant now) {
    if (!due_ || now < *due_) return std::nullopt;
    due_ = now + interval_;
    sent_.emplace_back(++sequence_, now);
    constexpr std::size_t kMaxRemembered = 1000;
    if (sent_.size() > kMaxRemembered) sent_.pop_front();
    return sequence_;
  }
  /// When the acknowledged heartbeat was sent; nullopt for an unknown number.
  std::optional<MonotonicInstant> Acknowledged(std::uint64_t sequence) {
    while (!sent_.empty() && sent_.front().first < sequence) sent_.pop_front();
    if (sent_.empty() || sent_.front().first != sequence) return std::nullopt;
    const MonotonicInstant sent = sent_.front().second;
    sent_.pop_front();
    return sent;
  }

 private:
  Duration interval_{};
  std::optional<MonotonicInstant> due_;
  std::uint64_t sequence_ = 0;
  std::deque<std::pair<std::uint64_t, MonotonicInstant>> sent_;
};

}  // namespace lathe::worker
