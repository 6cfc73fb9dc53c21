#pragma once
// Virtual time and the one source of chance. Everything in a simulation happens in an action that
// was put here; two runs with one seed are equal.

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "coordinator/core/state.h"

namespace lathe::sim {

inline constexpr Duration kMillisecond = std::chrono::milliseconds(1);
inline constexpr Duration kSecond = std::chrono::seconds(1);

class World {
 public:
  explicit World(std::uint64_t seed) : seed_(seed), random_(seed) {}

  std::uint64_t seed() const { return seed_; }
  const ManualClock& clock() const { return clock_; }
  core::Now now() const { return {clock_.Now(), clock_.MonotonicNow()}; }
  MonotonicInstant time() const { return clock_.MonotonicNow(); }

  void After(Duration delay, std::function<void()> action) {
    actions_.emplace(time() + delay, std::move(action));
  }
  /// Runs actions until there are none, the time has come, or `done` says so.
  void Run(MonotonicInstant until, const std::function<bool()>& done) {
    while (!actions_.empty() && actions_.begin()->first <= until && !done()) {
      auto next = actions_.extract(actions_.begin());
      clock_.Advance(next.key() - time());
      next.mapped()();
    }
  }

  bool Chance(double probability) { return random_.Unit() < probability; }
  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }
  Duration Between(Duration low, Duration high) {
    return low + Duration(static_cast<std::int64_t>(
                     random_.Below(static_cast<std::uint64_t>((high - low).count() + 1))));
  }

  /// Reports a broken rule with all that is needed to see it again.
  void Violation(const std::string& what) {
    ++violations_;
    ADD_FAILURE() << "seed " << seed_ << " at " << time().time_since_epoch().count() / 1000
                  << " ms: " << what << "\nreplay: LATHE_SIM_SEED=" << seed_ << " simulation_test";
  }
  int violations() const { return violations_; }

 private:
  const std::uint64_t seed_;
  Random random_;
  ManualClock clock_;
  /// Actions of one moment run in the order in which they were put.
  std::multimap<MonotonicInstant, std::function<void()>> actions_;
  int violations_ = 0;
};

}  // namespace lathe::sim
