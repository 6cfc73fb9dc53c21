#pragma once
// Wakes those who watch a job. A subscription coalesces: however often a job changes, its watcher
// finds one signal and reads the newest state. Bounded in number. Thread-safe.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/domain/ids.h"

namespace lathe::runtime {

class ChangeSignals {
 public:
  class Subscription {
   public:
    Subscription(ChangeSignals& owner, domain::JobId job);
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

    /// Waits for a change since the last call. False: none came in that time.
    bool Wait(Duration limit);

   private:
    friend class ChangeSignals;
    ChangeSignals& owner_;
    const domain::JobId job_;
    std::condition_variable woken_;
    bool changed_ = false;
  };

  explicit ChangeSignals(std::size_t limit) : limit_(limit) {}

  /// kResourceExhausted when too many watch already. It must end before this object does.
  Result<std::unique_ptr<Subscription>> Subscribe(const domain::JobId& job);
  void Notify(const domain::JobId& job);

 private:
  const std::size_t limit_;
  std::mutex mutex_;
  std::multimap<domain::JobId, Subscription*> subscriptions_;
};

}  // namespace lathe::runtime
