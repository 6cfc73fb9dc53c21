#pragma once
// How long to wait before an engine is asked again about a job: a service charges for being asked
// in its rate limits, and a job that has not changed for a while rarely does. Not thread-safe.

#include <algorithm>
#include <cstdint>

#include "common/base/clock.h"
#include "common/rpc/backoff.h"

namespace lathe::engine_jobs {

struct Timing {
  Duration poll = std::chrono::seconds(10);  ///< between questions about a job that changes
  /// How long a start without an answer is looked for before it is sent again: a service that is
  /// slow may show it late, and the process that sent it may have died with it on the way.
  Duration settle = std::chrono::seconds(60);
};

class Pace {
 public:
  Pace(Duration poll, std::uint64_t seed)
      : poll_(poll), calm_(poll), away_(poll, kLongestAway * poll, seed) {}

  /// After an answer. Up to six times the interval while nothing changes.
  Duration AfterAnswer(bool changed) {
    away_.Reset();
    if (changed) {
      calm_ = poll_;
    } else {
      calm_ = std::min(calm_ + poll_ / 2, kLongestCalm * poll_);
    }
    return calm_;
  }

  /// After none, or one that says to come back later. Doubles up to thirty times the interval.
  Duration AfterNone() { return away_.Next(); }

 private:
  static constexpr int kLongestCalm = 6;
  static constexpr int kLongestAway = 30;

  const Duration poll_;
  Duration calm_;
  rpc::Backoff away_;
};

}  // namespace lathe::engine_jobs
