#pragma once
// The node's decisions, as a pure state machine: Step(event, now) → actions. It knows which
// attempts this node has, how far each has come, and whether the lease still holds; it starts
// nothing and talks to nobody itself. Not thread-safe: one loop owns it.
//
// Rules it keeps:
//  - a job has at most one live attempt here: a newer one waits until the older one is dead;
//  - a start or stop of an older attempt than the known one is ignored; the same start twice is
//  one;
//  - a final report goes out only after all events are acknowledged, and again until it is
//    acknowledged itself;
//  - when no heartbeat sent within the lease has been acknowledged, every trainer is killed.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "worker/agent/events.h"

namespace lathe::worker::agent {

struct Settings {
  /// From TERM to KILL of the process group.
  Duration stop_grace = std::chrono::seconds(60);
  /// Between two sendings of a report that is not acknowledged.
  Duration report_interval = std::chrono::seconds(5);
  /// Holds for adopted trainers until the first Welcome tells the real lease.
  Duration first_lease = std::chrono::seconds(10);
};

class Agent {
 public:
  Agent(const Settings& settings, MonotonicInstant now)
      : settings_(settings), lease_(settings.first_lease), lease_from_(now) {}

  /// Takes one event; the actions are to be carried out in order.
  std::vector<Action> Step(const Event& event, MonotonicInstant now);

  /// When TimePassed is due at the latest; nullopt: nothing waits for time.
  std::optional<MonotonicInstant> NextDeadline() const;

  /// What a registration lists: trainers that run, and ends that are not acknowledged. An end is
  /// listed as started while its events are still on their way.
  std::vector<SendReport> Registered() const;

  /// Attempts whose trainer runs or is being prepared.
  std::size_t LiveCount() const;

 private:
  enum class Stage : std::uint8_t { kPreparing, kRunning, kStopping, kKilling, kEnded, kReported };
  struct Attempt {
    AttemptKey key;
    Stage stage = Stage::kPreparing;
    bool launched = false;  ///< a trainer has been started
    bool discard = false;   ///< remove the folder once it is dead
    bool events_delivered = false;
    ReportPhase phase = ReportPhase::kStarted;  ///< of the newest report
    bool report_acked = false;
    std::optional<MonotonicInstant> kill_at;    ///< set while stopping
    std::optional<MonotonicInstant> report_at;  ///< next sending of an unacknowledged report
    std::optional<StartRequested> successor;    ///< starts when this one is dead
  };
  using Actions = std::vector<Action>;

  void On(const StartRequested& event, MonotonicInstant now, Actions& actions);
  void On(const StopRequested& event, MonotonicInstant now, Actions& actions);
  void On(const AttemptFound& event, MonotonicInstant now, Actions& actions);
  void On(const TrainerStarted& event, MonotonicInstant now, Actions& actions);
  void On(const AttemptEnded& event, MonotonicInstant now, Actions& actions);
  void On(const EventsDelivered& event, MonotonicInstant now, Actions& actions);
  void On(const ReportAcked& event, MonotonicInstant now, Actions& actions);
  void On(const SessionOpened& event, MonotonicInstant now, Actions& actions);
  void On(const SessionClosed& event, MonotonicInstant now, Actions& actions);
  void On(const HeartbeatAcked& event, MonotonicInstant now, Actions& actions);
  void On(const TimePassed& event, MonotonicInstant now, Actions& actions);

  static bool IsLive(const Attempt& attempt) { return attempt.stage <= Stage::kKilling; }
  static bool MayReport(const Attempt& attempt);
  Attempt* Find(const AttemptKey& key);
  void Accept(const StartRequested& start, Actions& actions);
  void KillLive(Attempt& attempt, KillReason reason, Actions& actions);
  void Report(Attempt& attempt, MonotonicInstant now, Actions& actions);
  void ExpireLease(Actions& actions);

  Settings settings_;
  bool connected_ = false;
  bool lease_expired_ = false;
  Duration lease_;
  MonotonicInstant lease_from_;
  std::map<std::string, Attempt> attempts_;  ///< by job
};

}  // namespace lathe::worker::agent
