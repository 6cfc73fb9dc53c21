#pragma once
// The shell around the true core: queue, loop, commits, effects, sessions. Everything that a real
// process can suffer can be done to it: it crashes before a commit, between commit and effects, in
// the midst of the effects; it is stopped for a while; its store does not answer.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "coordinator/core/step.h"
#include "coordinator/storage/memory_store.h"
#include "tests/sim/link.h"
#include "tests/sim/sim_engine.h"
#include "tests/sim/world.h"

namespace lathe::sim {

class SimCoordinator {
 public:
  explicit SimCoordinator(World& world);

  void Start();
  void Crash();
  void Pause(Duration duration);
  /// Each round trip to the store fails with this probability, before or after it took effect.
  void set_store_trouble(double probability) { store_trouble_ = probability; }

  /// Before the first start. It must outlive this.
  void Attach(SimEngine& engine) { engine_ = &engine; }

  // ---- for the engine's followers, which live in this process ----
  void Post(core::Event event) { Enqueue(std::move(event)); }
  /// Ticketed here.
  void Report(core::RemoteReported event, std::function<void(const Result<domain::Job>&)> reply);
  /// False when the store does not answer.
  bool Append(const storage::EventBatch& batch);

  /// null when nobody answers.
  std::shared_ptr<Link> Connect(const domain::NodeId& node);
  /// False when nobody answers. The reply may never come.
  bool Submit(domain::JobSpec spec, std::function<void(const Result<domain::Job>&)> reply);
  bool Cancel(const domain::JobId& job, std::function<void(const Result<domain::Job>&)> reply);

  storage::Store& disk() { return *disk_; }
  bool alive() const { return state_.has_value(); }
  /// Jobs whose final state has become durable.
  const std::set<domain::JobId>& ended() const { return ended_; }

 private:
  void Enqueue(core::Event event);
  void Drain();
  void Flush();
  void RunEffects(const core::Outcome& outcome);
  void Run(const core::Effect& effect);
  void RunCommand(const core::SendToNode& send, Link& link);
  void Observe(const core::Commit& commit);
  void OnUp(const std::shared_ptr<Link>& link, const Up& message);
  void OnEvents(Link& link, const storage::EventBatch& batch);
  void Tick();
  /// An action that is void once this process has died.
  void Later(Duration delay, std::function<void()> action);
  core::Ticket NewTicket(std::function<void(const Result<domain::Job>&)> reply);

  World& world_;
  SimEngine* engine_ = nullptr;
  std::shared_ptr<storage::MemoryDatabase> database_;
  std::unique_ptr<storage::Store> disk_;  ///< a reader beside the process, for the checks
  std::unique_ptr<storage::Store> store_;
  std::optional<core::State> state_;
  std::uint64_t life_ = 0;
  bool paused_ = false;
  bool committing_ = false;
  bool schedule_planned_ = false;
  double store_trouble_ = 0;
  std::deque<core::Event> queue_;
  std::vector<core::Outcome> outcomes_;
  std::map<domain::SessionId, std::shared_ptr<Link>> links_;
  std::map<core::Ticket, std::function<void(const Result<domain::Job>&)>> tickets_;
  std::uint64_t last_session_ = 0;
  std::uint64_t last_ticket_ = 0;
  std::set<domain::JobId> ended_;
};

}  // namespace lathe::sim
