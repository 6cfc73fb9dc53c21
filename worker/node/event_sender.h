#pragma once
// Sends an attempt's spooled events in order, a bounded number ahead of the acknowledgements, and
// its uploaded checkpoints, each once all events before it are acknowledged: a job that goes on
// elsewhere from a checkpoint never repeats the steps before it. Not thread-safe: the node's loop
// owns it.

#include <cstdint>
#include <deque>
#include <optional>

#include "lathe/v1/worker_service.pb.h"
#include "worker/agent/events.h"
#include "worker/spool/spool.h"

namespace lathe::worker {

class EventSender {
 public:
  static constexpr std::uint64_t kWindow = 2000;  ///< events ahead of the acknowledged ones
  static constexpr std::size_t kBatchEvents = 500;
  static constexpr std::size_t kBatchBytes = 256 << 10;

  EventSender(agent::AttemptKey key, spool::Spool& spool)
      : key_(std::move(key)), spool_(spool), sent_(spool.acknowledged()) {}

  /// A new stream: what is not acknowledged may be lost, and so may the newest checkpoint.
  void Restart();
  /// The next batch; nullopt when there is nothing to send now.
  std::optional<v1::EventBatch> Next();

  /// A checkpoint has been uploaded; newer than those before.
  void Offer(v1::CheckpointReport report);
  /// The newest checkpoint that may be told now; once a stream.
  std::optional<v1::CheckpointReport> NextCheckpoint();

  /// How many events were new to be acknowledged.
  std::uint64_t Acknowledge(std::uint64_t sequence);
  bool AllAcknowledged() const { return spool_.acknowledged() == spool_.last(); }

 private:
  struct Checkpoint {
    v1::CheckpointReport report;
    std::uint64_t after = 0;  ///< the number of the last event that must be acknowledged before
  };

  const agent::AttemptKey key_;
  spool::Spool& spool_;
  std::uint64_t sent_;
  /// Wait for events: the next to become free, which newer ones must not push away, and the newest.
  std::deque<Checkpoint> waiting_;
  std::optional<Checkpoint> told_;  ///< on this stream or an older one
};

}  // namespace lathe::worker
