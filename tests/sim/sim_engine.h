#pragma once
// An engine beyond the cluster and the coordinator's way to it. The service goes on by itself:
// requests take their time to reach it, also when who sent them has died, and answers get lost. The
// followers die with the coordinator and know only what the core hands over.

#include <map>
#include <string>

#include "coordinator/core/effects.h"
#include "tests/sim/world.h"

namespace lathe::sim {

class SimCoordinator;

class SimEngine {
 public:
  static constexpr char kName[] = "far";

  SimEngine(World& world, SimCoordinator& coordinator) : world_(world), coordinator_(coordinator) {}

  /// How likely an answer is lost and, at each step, a job fails.
  void set_trouble(double answers, double failures) {
    answers_lost_ = answers;
    failures_ = failures;
  }

  // ---- what the coordinator does to it ----
  void Open(domain::SessionId session);
  void Die();
  bool Owns(domain::SessionId session) const { return session == session_; }
  void On(const core::NodeCommand& command);

  /// Jobs at the service that have not ended.
  std::size_t running() const;

 private:
  enum class Stage { kRunning, kSucceeded, kFailed, kCancelled };
  /// A job at the service.
  struct Remote {
    std::uint64_t total = 0;
    std::uint64_t step = 0;
    Stage stage = Stage::kRunning;
  };
  struct Follower {
    core::StartAttempt order;
    domain::RemoteJob remote;
    MonotonicInstant settled_at{};
    std::uint64_t stored = 0;  ///< events
    bool started_told = false;
    bool cancel = false;
  };

  static std::string MarkerOf(const Follower& follower);
  domain::AttemptKey KeyOf(const Follower& follower) const;
  void Create(const std::string& marker, std::uint64_t total);
  void Train(const std::string& marker);

  void StepSoon(const domain::JobId& job, Duration delay);
  void Step(const domain::JobId& job);
  /// True when the start is out of the way: it is to be sent, or is not to be.
  bool LookForStart(Follower& follower);
  void Announce(Follower& follower);
  void Send(Follower& follower);
  void Follow(Follower& follower);
  void Store(Follower& follower, const Remote& remote);
  void Tell(Follower& follower, std::function<void(Follower&, const domain::Job&)> then);
  void Finish(const Follower& follower, domain::AttemptPhase phase);
  /// An action that is void once the coordinator has died.
  void Later(Duration delay, std::function<void()> action);

  World& world_;
  SimCoordinator& coordinator_;
  double answers_lost_ = 0;
  double failures_ = 0;
  std::uint64_t life_ = 0;
  domain::SessionId session_{};
  std::map<domain::JobId, Follower> followers_;
  std::map<std::string, Remote> jobs_;  ///< by marker, which is the id too
};

}  // namespace lathe::sim
