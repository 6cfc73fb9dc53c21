#include "coordinator/runtime/replies.h"

#include <utility>

namespace lathe::runtime {

core::Ticket Replies::Draw() {
  const std::lock_guard lock(mutex_);
  const core::Ticket ticket(++last_ticket_);
  waiting_.emplace(ticket, std::nullopt);
  return ticket;
}

Result<domain::Job> Replies::Wait(core::Ticket ticket, Duration limit) {
  std::unique_lock lock(mutex_);
  const auto place = waiting_.find(ticket);
  delivered_.wait_for(lock, limit, [&] { return closed_ || place->second.has_value(); });
  auto result = std::move(place->second);
  waiting_.erase(place);
  if (result) return std::move(*result);
  return Failure(ErrorCode::kUnavailable,
                 "the coordinator could not store the request in time; it may or may not have "
                 "taken effect. Repeat it, with the same request id.");
}

void Replies::Forget(core::Ticket ticket) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(ticket);
}

void Replies::Deliver(core::Ticket ticket, Result<domain::Job> result) {
  {
    const std::lock_guard lock(mutex_);
    const auto place = waiting_.find(ticket);
    if (place == waiting_.end()) return;
    place->second = std::move(result);
  }
  delivered_.notify_all();
}

void Replies::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  delivered_.notify_all();
}

}  // namespace lathe::runtime
