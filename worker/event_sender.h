#pragma once
// Sends an attempt's spooled events in order, a bounded number ahead of the acknowledgements. Not
// thread-safe: the node's loop owns it.

#include <cstdint>
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

  /// A new stream: what is not acknowledged may be lost.
  void Restart() { sent_ = spool_.acknowledged(); }
  /// The next batch; nullopt when there is nothing to send now.
  std::optional<v1::EventBatch> Next();
  /// How many events were new to be acknowledged.
  std::uint64_t Acknowledge(std::uint64_t sequence);
  bool AllAcknowledged() const { return spool_.acknowledged() == spool_.last(); }

 private:
  const agent::AttemptKey key_;
  spool::Spool& spool_;
  std::uint64_t sent_;
};

}  // namespace lathe::worker
