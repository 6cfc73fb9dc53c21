#pragma once
// Callers that wait for the core's answer. A ticket is drawn, put into an event, and its reply
// comes back here once the event's commit is durable. Thread-safe.

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/domain/job.h"
#include "coordinator/core/events.h"

namespace lathe::runtime {

class Replies {
 public:
  core::Ticket Draw();
  /// Waits for the ticket's reply. kUnavailable when none comes in that time or Close was called:
  /// nobody knows then whether the request took effect.
  Result<domain::Job> Wait(core::Ticket ticket, Duration limit);
  /// Gives up a ticket whose event was never posted.
  void Forget(core::Ticket ticket);
  /// Dropped when nobody waits any more.
  void Deliver(core::Ticket ticket, Result<domain::Job> result);
  /// Every waiting and later Wait ends at once.
  void Close();

 private:
  /// A signal for each caller: with one for all, every reply would wake hundreds in vain.
  struct Waiting {
    std::condition_variable delivered;
    std::optional<Result<domain::Job>> result;
  };

  std::mutex mutex_;  // guards all below; signals are given under it, as their caller removes them
  std::uint64_t last_ticket_ = 0;
  bool closed_ = false;
  std::map<core::Ticket, Waiting> waiting_;
};

}  // namespace lathe::runtime
