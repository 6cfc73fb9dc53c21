#pragma once
// The one loop: takes events in batches, steps the core, commits a batch's outcomes in one round
// trip, publishes them to the view and only then lets their effects out. It alone touches the
// core's state. The contract with the core is in coordinator/core/effects.h.
//
// While the store is away the loop tries the same commits again and steps nothing; callers are told
// kUnavailable and trainers go on. When another coordinator leads, it stops and tells its owner.
//
// Thread-safe but for Start and Stop, which belong to the owner.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/telemetry/telemetry.h"
#include "coordinator/core/step.h"
#include "coordinator/runtime/cluster_metrics.h"
#include "coordinator/runtime/event_queue.h"
#include "coordinator/runtime/node_gateway.h"
#include "coordinator/runtime/replies.h"
#include "coordinator/runtime/view.h"
#include "coordinator/storage/store.h"

namespace lathe::runtime {

struct LoopOptions {
  std::size_t queue_capacity = 16'384;
  std::size_t batch_limit = 512;  ///< events stepped before a commit
  Duration tick = std::chrono::milliseconds(250);
  Duration scheduling_interval = std::chrono::milliseconds(5);
  Duration leadership = std::chrono::seconds(10);  ///< renewed three times as often
  Duration reply_limit = std::chrono::seconds(5);
};

/// What the loop works with; everything must outlive it.
struct LoopContext {
  storage::Store& store;
  const Clock& clock;
  View& view;
  NodeGateway& nodes;
  telemetry::Telemetry& telemetry;
};

class Loop {
 public:
  /// The state is Recover's; this process leads already.
  Loop(LoopOptions options, core::State state, LoopContext context);
  ~Loop();

  /// `on_fatal` is called once, from the loop's thread, when it can't go on.
  void Start(std::function<void(const Error&)> on_fatal);
  /// Takes no more events, finishes those it has (unless the store is away), and ends its thread.
  void Stop();

  /// False when the inbox is full or the loop has stopped.
  bool Post(core::Event event) { return queue_.Push(std::move(event)); }
  using MakeEvent = std::function<core::Event(core::Ticket)>;
  /// Posts what `make_event` returns for a ticket; the receiver gets the reply to it. kUnavailable
  /// while the store is away, the inbox full, or when the reply takes too long.
  void Call(const MakeEvent& make_event, Replies::Receiver receiver);
  /// The same, waiting for the reply.
  Result<domain::Job> Call(const MakeEvent& make_event);

  bool store_available() const { return store_available_; }

 private:
  using Effects = std::vector<core::Effect>;
  struct Timers {
    MonotonicInstant tick{};
    MonotonicInstant renewal{};
    MonotonicInstant last_schedule{};
    std::optional<MonotonicInstant> schedule;
  };

  void Run();
  /// Ends calls that take too long, also while the loop waits for the store.
  void WatchCalls();
  /// False: the loop must end.
  bool Turn();
  std::vector<core::Event> NextEvents();
  bool CommitAll(const std::vector<core::Commit>& commits);
  void Publish(const core::Commit& commit);
  void RunEffect(core::Effect& effect);
  void StartAttempt(const core::SendToNode& send, const core::StartAttempt& start);
  Result<StartOrder> MakeOrder(const core::StartAttempt& start);
  bool KeepLeadership();
  /// Calls until the store answers; the answer, or nullopt when the loop must end.
  template <class Answer>
  std::optional<Answer> UntilAvailable(const std::function<Answer()>& call);
  bool WaitBeforeRetry(Duration time);
  void SetAvailable(bool available, const Error* error);
  void Fail(const Error& error);
  core::Now Now() const;

  const LoopOptions options_;
  core::State state_;
  LoopContext context_;
  EventQueue queue_;
  Replies replies_;
  ClusterMetrics metrics_;
  Timers timers_;
  std::function<void(const Error&)> on_fatal_;
  std::atomic<bool> store_available_{true};
  std::mutex stop_mutex_;
  std::condition_variable stop_signal_;
  bool stopping_ = false;
  bool failed_ = false;
  std::thread thread_;
  std::thread watch_;
};

}  // namespace lathe::runtime
