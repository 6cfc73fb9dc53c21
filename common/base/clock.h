#pragma once
// Time as an argument. Pure rooms take an Instant; only shells own a Clock.
//
// Instant counts microseconds since the Unix epoch: it is what is stored and shown. Leases and
// time-outs use MonotonicInstant, which also counts suspended time and never jumps.

#include <chrono>
#include <cstdint>
#include <string>

namespace lathe {

using Duration = std::chrono::microseconds;

struct WallClockTag {};
struct BootClockTag {};
/// Microseconds since the Unix epoch.
using Instant = std::chrono::time_point<WallClockTag, Duration>;
/// Microseconds since boot (CLOCK_BOOTTIME); meaningful on one machine only.
using MonotonicInstant = std::chrono::time_point<BootClockTag, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
  virtual MonotonicInstant MonotonicNow() const = 0;
};

/// The machine's clocks. Thread-safe.
class SystemClock final : public Clock {
 public:
  Instant Now() const override;
  MonotonicInstant MonotonicNow() const override;
};

/// A clock that moves only when told to; for tests and simulation. Not thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start = Instant{}) : now_(start) {}
  Instant Now() const override { return now_; }
  MonotonicInstant MonotonicNow() const override {
    return MonotonicInstant(now_.time_since_epoch());
  }
  void Advance(Duration by) { now_ += by; }

 private:
  Instant now_;
};

inline std::int64_t ToMicros(Instant t) {
  return t.time_since_epoch().count();
}
inline Instant FromMicros(std::int64_t micros) {
  return Instant(Duration(micros));
}

/// RFC 3339 in UTC with milliseconds: "2026-11-21T10:22:00.123Z".
std::string ToRfc3339(Instant t);

}  // namespace lathe
