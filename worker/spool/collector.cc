#include "worker/spool/collector.h"

#include <utility>

#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::worker::spool {

Collector::Collector(Sources sources, Spool& spool, Instant now)
    : sources_(std::move(sources)), spool_(spool), next_(spool.offsets()), log_lines_(now) {}

Result<std::vector<EventLine>> Collector::Collect(Instant now) {
  return CollectOnce(Trainer::kRunning, now);
}

Result<std::vector<EventLine>> Collector::CollectRest(Instant now) {
  std::vector<EventLine> checkpoints;
  while (true) {
    const SourceOffsets before = next_;
    LATHE_ASSIGN_OR_RETURN(std::vector<EventLine> more, CollectOnce(Trainer::kGone, now));
    checkpoints.insert(checkpoints.end(), more.begin(), more.end());
    if (next_ == before) return checkpoints;
  }
}

Result<std::vector<EventLine>> Collector::CollectOnce(Trainer trainer, Instant now) {
  const SourceOffsets before = next_;
  pending_.clear();
  std::vector<EventLine> checkpoints;
  LineReader events(sources_.event_log, next_.events);
  LATHE_ASSIGN_OR_RETURN(const std::vector<Line> event_lines, events.Read());
  AddEvents(event_lines, checkpoints);
  LineReader log(sources_.trainer_log, next_.log);
  LATHE_ASSIGN_OR_RETURN(const std::vector<Line> log_lines,
                         trainer == Trainer::kGone ? log.ReadToEnd() : log.Read());
  AddLogLines(log_lines, trainer, now);
  if (Status appended = spool_.Append(pending_); !appended) {
    next_ = before;
    return Failure(std::move(appended.error()));
  }
  return checkpoints;
}

void Collector::AddEvents(const std::vector<Line>& lines, std::vector<EventLine>& checkpoints) {
  for (const Line& line : lines) {
    next_.events = line.end;
    const auto parsed = ParseEventLine(line.text);
    if (!parsed || !sources_.rule.Forwards(*parsed, line.begin)) continue;
    pending_.push_back({next_, line.text});
    if (parsed->type == trainer_protocol::kEventCheckpoint) checkpoints.push_back(*parsed);
  }
}

void Collector::AddLogLines(const std::vector<Line>& lines, Trainer trainer, Instant now) {
  for (const Line& line : lines) {
    next_.log = line.end;
    for (std::string& event : log_lines_.Take(line.text, now)) {
      pending_.push_back({next_, std::move(event)});
    }
  }
  if (trainer != Trainer::kGone) return;
  for (std::string& event : log_lines_.TakeLeftOut(now)) {
    pending_.push_back({next_, std::move(event)});
  }
}

}  // namespace lathe::worker::spool
