#include "coordinator/runtime/lanes.h"

#include <utility>

namespace lathe::runtime {

Lanes::Lanes(std::size_t threads, std::size_t capacity) : capacity_(capacity) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

Lanes::~Lanes() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  filled_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Lanes::Begin(Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (new_.size() >= capacity_) return false;
    new_.push_back(std::move(work));
  }
  filled_.notify_one();
  return true;
}

void Lanes::GoOn(Work work) {
  {
    const std::lock_guard lock(mutex_);
    begun_.push_back(std::move(work));
  }
  filled_.notify_one();
}

void Lanes::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    filled_.wait(lock, [this] { return ending_ || !begun_.empty() || !new_.empty(); });
    std::deque<Work>& queue = begun_.empty() ? new_ : begun_;
    if (queue.empty()) return;
    Work work = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it holds goes without the lock, too
    lock.lock();
  }
}

}  // namespace lathe::runtime
