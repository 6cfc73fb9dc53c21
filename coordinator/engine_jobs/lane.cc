#include "coordinator/engine_jobs/lane.h"

#include <algorithm>
#include <utility>

#include "common/base/version.h"

namespace lathe::engine_jobs {
namespace {

/// Uploads take long; a job that is to be cancelled must not wait for one.
constexpr int kThreads = 4;
constexpr Duration kLongestQuiet = std::chrono::hours(1);

/// Whoever follows a job tries again by itself and later: the client does not hold a thread for it.
providers::HttpOptions OptionsFor(std::function<void(Duration)> on_busy) {
  providers::HttpOptions options;
  options.tries = 2;
  options.longest_wait = std::chrono::seconds(2);
  options.on_busy = std::move(on_busy);
  return options;
}

}  // namespace

Lane::Lane(const House& house, const providers::Engine& engine, const providers::Access& access,
           domain::SessionId session)
    : house_(house),
      places_(access.api_key.empty() ? 0 : access.max_jobs),
      http_(
          OptionsFor([this](Duration asked) {
            const std::lock_guard lock(mutex_);
            quiet_until_ = house_.clock.MonotonicNow() + std::min(asked, kLongestQuiet);
          }),
          [this](Duration time) { return Wait(time); }, session.value()),
      way_{.engine = engine,
           .remote = providers::RemoteEngine(engine, access, http_),
           .has_key = !access.api_key.empty(),
           .session = session,
           .node = domain::NodeId("engine:" + engine.id)} {
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Run(); });
}

Lane::~Lane() {
  Stop();
}

core::NodeRegistered Lane::Registration() const {
  core::NodeRegistered event{way_.session, {}, {}};
  event.description.id = way_.node;
  event.description.hostname = way_.engine.title;
  event.description.worker_version = Version();
  event.description.engine = way_.engine.id;
  event.description.resources.cpu_slots = places_;
  return event;
}

void Lane::Start(runtime::StartOrder order) {
  const domain::AttemptKey key{order.start.spec.id, order.start.attempt};
  {
    const std::lock_guard lock(mutex_);
    if (attempts_.contains(key)) return;
    attempts_[key] = {std::make_shared<Follower>(house_, way_, std::move(order), stopping_),
                      house_.clock.MonotonicNow()};
  }
  woken_.notify_all();
}

void Lane::Cancel(const domain::AttemptKey& attempt) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = attempts_.find(attempt);
    if (found == attempts_.end()) return;
    found->second.follower->Cancel();
    found->second.due = house_.clock.MonotonicNow();
    found->second.hurry = found->second.in_hand;
  }
  woken_.notify_all();
}

void Lane::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  woken_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Lane::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto taken = Take(lock);
    if (taken == attempts_.end()) return;
    const std::shared_ptr<Follower> follower = taken->second.follower;
    lock.unlock();
    const auto next = follower->Step();
    lock.lock();
    if (!next) {
      attempts_.erase(taken);
      continue;
    }
    Entry& entry = taken->second;
    const Duration wait = std::exchange(entry.hurry, false) ? Duration::zero() : *next;
    entry.due = house_.clock.MonotonicNow() + wait;
    entry.in_hand = false;
    // The others wait for an attempt that was due later, or for none.
    woken_.notify_all();
  }
}

Lane::Attempts::iterator Lane::Take(std::unique_lock<std::mutex>& lock) {
  while (!stopping_) {
    const auto earliest = Earliest();
    if (earliest == attempts_.end()) {
      woken_.wait(lock);
      continue;
    }
    const Duration wait =
        std::max(earliest->second.due, quiet_until_) - house_.clock.MonotonicNow();
    if (wait <= Duration::zero()) {
      earliest->second.in_hand = true;
      return earliest;
    }
    woken_.wait_for(lock, wait);
  }
  return attempts_.end();
}

Lane::Attempts::iterator Lane::Earliest() {
  auto earliest = attempts_.end();
  for (auto at = attempts_.begin(); at != attempts_.end(); ++at) {
    if (at->second.in_hand) continue;
    if (earliest == attempts_.end() || at->second.due < earliest->second.due) earliest = at;
  }
  return earliest;
}

bool Lane::Wait(Duration time) {
  if (time <= Duration::zero()) return !stopping_;
  std::unique_lock lock(mutex_);
  const auto end = std::chrono::steady_clock::now() + time;
  while (!stopping_ && woken_.wait_until(lock, end) != std::cv_status::timeout) {
  }
  return !stopping_;
}

}  // namespace lathe::engine_jobs
