#pragma once
// The jobs of one engine: a few threads that take each attempt a step further when it is due. When
// the engine asks to come back later (Retry-After), all of them leave it alone until then.
// Thread-safe.

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "coordinator/core/events.h"
#include "coordinator/engine_jobs/follower.h"
#include "coordinator/providers/http_client.h"
#include "coordinator/providers/settings.h"

namespace lathe::engine_jobs {

class Lane {
 public:
  /// `house` and `engine` outlive it; `session` is new.
  Lane(const House& house, const providers::Engine& engine, const providers::Access& access,
       domain::SessionId session);
  ~Lane();

  domain::SessionId session() const { return way_.session; }
  /// What makes the core give it work: every job that is there already, then new ones.
  core::NodeRegistered Registration() const;

  /// Takes up an attempt, new or not; one that it has already goes on as it is.
  void Start(runtime::StartOrder order);
  void Cancel(const domain::AttemptKey& attempt);
  /// Ends the threads; what they have in hand is left as it is.
  void Stop();

 private:
  struct Entry {
    std::shared_ptr<Follower> follower;  // shared with the thread that has it in hand
    MonotonicInstant due{};
    bool in_hand = false;
    bool hurry = false;  ///< due again at once
  };
  using Attempts = std::map<domain::AttemptKey, Entry>;

  void Run();
  /// The attempt that is due, in hand from then on; the end when the lane stops.
  Attempts::iterator Take(std::unique_lock<std::mutex>& lock);
  Attempts::iterator Earliest();
  bool Wait(Duration time);

  const House& house_;
  const std::uint32_t places_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable woken_;
  Attempts attempts_;
  MonotonicInstant quiet_until_{};
  const providers::HttpClient http_;
  const Way way_;
  std::vector<std::thread> threads_;
};

}  // namespace lathe::engine_jobs
