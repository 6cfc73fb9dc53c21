#pragma once
// Which of an engine's events are new, and the lines that they become in the job's stream. Engines
// tell the newest events again and again, some without a name; each goes into the stream once, also
// over restarts: what is stored says which event of theirs it was. Not thread-safe.

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/domain/ids.h"
#include "coordinator/providers/remote_job.h"
#include "coordinator/storage/store.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::engine_jobs {

class EventLog {
 public:
  static constexpr int kLinesAtOnce = 500;

  explicit EventLog(domain::AttemptKey attempt) : attempt_(std::move(attempt)) {}

  /// Takes in what the job's stream has already.
  void Know(const std::vector<storage::StoredEvent>& stored);

  bool Knows(const providers::RemoteEvent& event) const;
  /// Of the latest event with metrics; 0: none.
  std::uint64_t last_step() const { return last_step_; }

  /// The lines of events that are not stored, numbered on from those that are: `started` where the
  /// number of steps is told, `metric`, `evaluation` or `log`. `now` stands in for a missing time.
  /// The oldest ones, about kLinesAtOnce: the next are told once these are kept.
  v1::EventBatch New(const std::vector<providers::RemoteEvent>& events, Instant now) const;
  /// They are stored.
  void Keep(const v1::EventBatch& batch);

 private:
  void Remember(std::uint64_t sequence, const std::string& json);

  const domain::AttemptKey attempt_;
  std::uint64_t last_ = 0;
  std::uint64_t total_steps_ = 0;
  std::uint64_t last_step_ = 0;
  std::set<std::string> known_;
};

}  // namespace lathe::engine_jobs
