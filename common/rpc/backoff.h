#pragma once
// Waiting times between tries: exponential, capped, with full jitter in the upper half, so that
// many clients that lost the same server do not come back in the same moment. Not thread-safe.

#include <algorithm>
#include <cstdint>

#include "common/base/clock.h"
#include "common/base/random.h"

namespace lathe::rpc {

class Backoff {
 public:
  /// The first wait lies in [initial/2, initial]; each further bound doubles up to `cap`.
  Backoff(Duration initial, Duration cap, std::uint64_t seed)
      : initial_(initial), cap_(cap), bound_(initial), random_(seed) {}

  Duration Next() {
    const Duration bound = bound_;
    bound_ = std::min(bound_ * 2, cap_);
    const auto half = static_cast<std::uint64_t>(bound.count() / 2);
    return Duration(static_cast<std::int64_t>(half + random_.Below(half + 1)));
  }

  /// After a success: the next failure waits shortly again.
  void Reset() { bound_ = initial_; }

 private:
  Duration initial_;
  Duration cap_;
  Duration bound_;
  Random random_;
};

}  // namespace lathe::rpc
