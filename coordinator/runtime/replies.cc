#include "coordinator/runtime/replies.h"

#include <utility>
#include <vector>

namespace lathe::runtime {

core::Ticket Replies::Draw(Receiver receiver) {
  const std::lock_guard lock(mutex_);
  const core::Ticket ticket(++last_ticket_);
  waiting_.emplace_hint(waiting_.end(), ticket,
                        Waiting{std::move(receiver), clock_.MonotonicNow()});
  return ticket;
}

Replies::Receiver Replies::Forget(core::Ticket ticket) {
  const std::lock_guard lock(mutex_);
  auto found = waiting_.extract(ticket);
  return found.empty() ? nullptr : std::move(found.mapped().receiver);
}

void Replies::Deliver(core::Ticket ticket, Result<domain::Job> result) {
  decltype(waiting_)::node_type found;
  {
    const std::lock_guard lock(mutex_);
    found = waiting_.extract(ticket);
  }
  if (!found.empty()) found.mapped().receiver(std::move(result));
}

void Replies::Expire() {
  TellThoseSince(clock_.MonotonicNow() - limit_);
}

void Replies::Close() {
  TellThoseSince(MonotonicInstant::max());
}

void Replies::TellThoseSince(MonotonicInstant latest) {
  std::vector<Receiver> late;
  {
    const std::lock_guard lock(mutex_);
    while (!waiting_.empty() && waiting_.begin()->second.since <= latest) {
      late.push_back(std::move(waiting_.begin()->second.receiver));
      waiting_.erase(waiting_.begin());
    }
  }
  for (const Receiver& receiver : late) {
    receiver(Failure(ErrorCode::kUnavailable,
                     "the coordinator could not store the request in time; it may or may not have "
                     "taken effect. Repeat it, with the same request id."));
  }
}

}  // namespace lathe::runtime
