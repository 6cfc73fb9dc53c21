#pragma once
// Callers of the core. A ticket is drawn, put into an event, and its reply comes back here, to the
// function that the ticket was drawn with, once the event's commit is durable. Thread-safe.

#include <functional>
#include <map>
#include <mutex>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/domain/job.h"
#include "coordinator/core/events.h"

namespace lathe::runtime {

class Replies {
 public:
  /// Called once, from any thread. kUnavailable when no reply came in time or Close was called:
  /// nobody knows then whether the request took effect. It must not wait for anything.
  using Receiver = std::function<void(Result<domain::Job>)>;

  /// The clock must outlive it.
  Replies(const Clock& clock, Duration limit) : clock_(clock), limit_(limit) {}

  core::Ticket Draw(Receiver receiver);
  /// Gives up a ticket whose event was never posted: its receiver; null when that has been told.
  Receiver Forget(core::Ticket ticket);
  /// Dropped when the receiver has been told already.
  void Deliver(core::Ticket ticket, Result<domain::Job> result);
  /// Tells those that have waited for longer than the limit.
  void Expire();
  /// Tells all.
  void Close();

 private:
  struct Waiting {
    Receiver receiver;
    MonotonicInstant since{};
  };

  void TellThoseSince(MonotonicInstant latest);

  const Clock& clock_;
  const Duration limit_;
  std::mutex mutex_;  // guards all below; receivers are called without it
  std::uint64_t last_ticket_ = 0;
  std::map<core::Ticket, Waiting> waiting_;  // who came later has waited for less
};

}  // namespace lathe::runtime
