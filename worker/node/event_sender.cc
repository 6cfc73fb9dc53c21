#include "worker/node/event_sender.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"

namespace lathe::worker {

void EventSender::Restart() {
  sent_ = spool_.acknowledged();
  if (told_) waiting_.push_front(*std::exchange(told_, std::nullopt));
}

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

void EventSender::Offer(v1::CheckpointReport report) {
  if (waiting_.size() > 1) waiting_.resize(1);
  waiting_.push_back({std::move(report), spool_.last()});
}

std::optional<v1::CheckpointReport> EventSender::NextCheckpoint() {
  bool found = false;
  while (!waiting_.empty() && waiting_.front().after <= spool_.acknowledged()) {
    told_ = std::move(waiting_.front());
    waiting_.pop_front();
    found = true;
  }
  return found ? std::optional(told_->report) : std::nullopt;
}

std::uint64_t EventSender::Acknowledge(std::uint64_t sequence) {
  const std::uint64_t before = spool_.acknowledged();
  spool_.Acknowledge(sequence);
  sent_ = std::max(sent_, spool_.acknowledged());
  return spool_.acknowledged() - before;
}

}  // namespace lathe::worker
