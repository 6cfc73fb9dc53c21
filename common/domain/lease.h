#pragma once
// A node's lease: the time it may keep its attempts without being heard. The worker counts from
// when it sent the last acknowledged heartbeat and kills its trainers by itself; the coordinator
// counts from when it handled that heartbeat, which is later, and adds a grace, so that an attempt
// is given away only after its trainer is gone.

#include "common/base/clock.h"

namespace lathe::domain {

struct LeaseTerms {
  Duration heartbeat_interval = std::chrono::seconds(1);
  Duration lease = std::chrono::seconds(10);
  Duration grace = std::chrono::seconds(5);
};
static_assert(LeaseTerms{}.lease > 3 * LeaseTerms{}.heartbeat_interval,
              "one lost heartbeat must not cost a node its attempts");

/// The coordinator's side of one lease, on its own monotonic clock.
struct Lease {
  MonotonicInstant until{};

  static Lease From(MonotonicInstant heard, const LeaseTerms& terms) {
    return {heard + terms.lease + terms.grace};
  }
  bool OverAt(MonotonicInstant now) const { return now >= until; }
};

}  // namespace lathe::domain
