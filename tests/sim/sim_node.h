#pragma once
// A worker and its trainers. The daemon may restart (trainers live on and are adopted), the machine
// may crash (with or without its disk), its stream may break. It keeps to the protocol: a lease of
// its own, events until they are acknowledged, checkpoints and ends only after the events before
// them.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/domain/lease.h"
#include "tests/sim/link.h"
#include "tests/sim/sim_coordinator.h"
#include "tests/sim/world.h"

namespace lathe::sim {

/// How likely trainers end otherwise than by success, at each step.
struct TrainerTrouble {
  double fault = 0;
  double user_error = 0;
  double out_of_memory = 0;
};

/// Which trainers run, over all nodes: a job must never have two.
using LiveTrainers = std::map<domain::JobId, domain::NodeId>;

class SimNode {
 public:
  SimNode(World& world, SimCoordinator& coordinator, LiveTrainers& live,
          domain::NodeDescription description, std::vector<std::string> lacks)
      : world_(world),
        coordinator_(coordinator),
        live_(live),
        description_(std::move(description)),
        lacks_(std::move(lacks)) {}

  void Boot();
  void RestartDaemon();
  void CrashMachine();
  void BreakLink();
  /// Nothing gets through for so long; the trainers know nothing of it.
  void CutOff(Duration duration);
  void set_trouble(TrainerTrouble trouble) { trouble_ = trouble; }

 private:
  enum class Stage { kRunning, kEnded };
  struct Attempt {
    domain::AttemptKey key;
    std::uint32_t total_steps = 0;
    std::vector<std::uint32_t> gpus;
    std::uint32_t cpu_slots = 0;
    Stage stage = Stage::kRunning;
    domain::AttemptReport report;
    std::uint64_t step = 0;
    std::uint64_t reported_step = 0;
    std::vector<storage::EventRecord> spool;
    std::uint64_t acknowledged = 0;
    /// Step of a checkpoint on its way up, and the event before which it must not be told.
    std::uint64_t checkpoint = 0;
    std::uint64_t checkpoint_after = 0;
  };
  /// What lies on disk for a job, whatever happens to processes.
  struct Folder {
    std::uint64_t logged = 0;
    std::uint64_t checkpoint = 0;
  };

  void Connect();
  void Tick();
  void OnDown(const Down& message);
  void On(const core::Welcome&);
  void On(const core::AcknowledgeHeartbeat& ack);
  void On(const Start& start);
  void On(const core::StopAttempt& stop);
  void On(const core::AcknowledgeReport& ack);
  void On(const EventAck& ack);

  void Train(const domain::AttemptKey& key);
  void Log(Attempt& attempt, std::uint64_t step);
  void End(Attempt& attempt, domain::AttemptPhase phase, domain::FailureClass failure_class = {});
  void ExpireLease();
  void SendEvents(const Attempt& attempt);
  void SendCheckpoint(Attempt& attempt);
  void CheckResources();
  Attempt* Find(const domain::AttemptKey& key);
  domain::AttemptReport Listed(const Attempt& attempt) const;
  void Send(Up message) {
    if (link_) link_->SendUp(std::move(message));
  }
  /// An action that is void once the daemon, or the machine, has died.
  void Later(Duration delay, std::function<void()> action);
  void LaterOnMachine(Duration delay, std::function<void()> action);

  World& world_;
  SimCoordinator& coordinator_;
  LiveTrainers& live_;
  const domain::NodeDescription description_;
  const std::vector<std::string> lacks_;  ///< what its trainer cannot do
  const domain::LeaseTerms terms_;
  TrainerTrouble trouble_;
  std::uint64_t daemon_life_ = 0;
  std::uint64_t machine_life_ = 0;
  bool up_ = false;
  MonotonicInstant cut_off_until_{};
  std::shared_ptr<Link> link_;
  MonotonicInstant registered_{};
  MonotonicInstant lease_from_{};
  std::uint64_t heartbeat_ = 0;
  std::map<std::uint64_t, MonotonicInstant> heartbeats_;
  std::map<domain::JobId, Attempt> attempts_;
  std::map<domain::JobId, Folder> folders_;
};

}  // namespace lathe::sim
