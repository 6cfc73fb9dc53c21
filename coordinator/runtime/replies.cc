#include "coordinator/runtime/replies.h"

#include <utility>

namespace lathe::runtime {

core::Ticket Replies::Draw() {
  const std::lock_guard lock(mutex_);
  const core::Ticket ticket(++last_ticket_);
  waiting_.try_emplace(ticket);
  return ticket;
}

Result<domain::Job> Replies::Wait(core::Ticket ticket, Duration limit) {
  std::unique_lock lock(mutex_);
  const auto place = waiting_.find(ticket);
  Waiting& waiting = place->second;
  waiting.delivered.wait_for(lock, limit, [&] { return closed_ || waiting.result.has_value(); });
  auto result = std::move(waiting.result);
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
  const std::lock_guard lock(mutex_);
  const auto place = waiting_.find(ticket);
  if (place == waiting_.end()) return;
  place->second.result = std::move(result);
  place->second.delivered.notify_one();
}

void Replies::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (auto& [ticket, waiting] : waiting_) waiting.delivered.notify_one();
}

}  // namespace lathe::runtime
