#include "coordinator/runtime/change_signals.h"

#include <algorithm>
#include <utility>

namespace lathe::runtime {

ChangeSignals::Subscription::Subscription(ChangeSignals& owner, domain::JobId job)
    : owner_(owner), job_(std::move(job)) {}

ChangeSignals::Subscription::~Subscription() {
  const std::lock_guard lock(owner_.mutex_);
  const auto [begin, end] = owner_.subscriptions_.equal_range(job_);
  const auto own = std::find_if(begin, end, [this](const auto& s) { return s.second == this; });
  if (own != end) owner_.subscriptions_.erase(own);
}

bool ChangeSignals::Subscription::Wait(Duration limit) {
  std::unique_lock lock(owner_.mutex_);
  woken_.wait_for(lock, limit, [this] { return changed_; });
  return std::exchange(changed_, false);
}

Result<std::unique_ptr<ChangeSignals::Subscription>> ChangeSignals::Subscribe(
    const domain::JobId& job) {
  // Outlives the lock: the destructor of a refused subscription takes it again.
  auto subscription = std::make_unique<Subscription>(*this, job);
  const std::lock_guard lock(mutex_);
  if (subscriptions_.size() < limit_) {
    subscriptions_.emplace(job, subscription.get());
    return subscription;
  }
  return Failure(ErrorCode::kResourceExhausted,
                 std::to_string(limit_) + " watches are open already; close some or poll.");
}

void ChangeSignals::Notify(const domain::JobId& job) {
  const std::lock_guard lock(mutex_);
  const auto [begin, end] = subscriptions_.equal_range(job);
  for (auto entry = begin; entry != end; ++entry) {
    entry->second->changed_ = true;
    entry->second->woken_.notify_one();
  }
}

}  // namespace lathe::runtime
