#include "coordinator/runtime/event_queue.h"

#include <algorithm>
#include <utility>

namespace lathe::runtime {

bool EventQueue::Push(core::Event event) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || events_.size() >= capacity_) return false;
    events_.push_back(std::move(event));
  }
  filled_.notify_one();
  return true;
}

std::vector<core::Event> EventQueue::Take(std::size_t limit, Duration wait) {
  std::unique_lock lock(mutex_);
  filled_.wait_for(lock, wait, [this] { return closed_ || !events_.empty(); });
  const std::size_t count = std::min(limit, events_.size());
  const auto end = events_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<core::Event> taken(std::make_move_iterator(events_.begin()),
                                 std::make_move_iterator(end));
  events_.erase(events_.begin(), end);
  return taken;
}

void EventQueue::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  filled_.notify_all();
}

std::size_t EventQueue::size() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

}  // namespace lathe::runtime
