#include "worker/event_sender.h"

#include <algorithm>

#include "common/base/log.h"

namespace lathe::worker {

std::optional<v1::EventBatch> EventSender::Next() {
  const std::uint64_t allowed = spool_.acknowledged() + kWindow;
  if (sent_ >= std::min(allowed, spool_.last())) return std::nullopt;
  const std::size_t count = std::min<std::uint64_t>(allowed - sent_, kBatchEvents);
  auto entries = spool_.Read(sent_, count, kBatchBytes);
  if (!entries || entries->empty()) {
    if (!entries) log::Failure("spool_not_read", {{"error", ToString(entries.error())}});
    return std::nullopt;
  }
  v1::EventBatch batch;
  batch.set_job_id(key_.job);
  batch.set_attempt(key_.attempt);
  for (spool::Spool::Entry& entry : *entries) {
    auto& event = *batch.add_events();
    event.set_sequence(entry.sequence);
    event.set_json(std::move(entry.json));
  }
  sent_ = entries->back().sequence;
  return batch;
}

std::uint64_t EventSender::Acknowledge(std::uint64_t sequence) {
  const std::uint64_t before = spool_.acknowledged();
  spool_.Acknowledge(sequence);
  sent_ = std::max(sent_, spool_.acknowledged());
  return spool_.acknowledged() - before;
}

}  // namespace lathe::worker
