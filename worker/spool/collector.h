#pragma once
// Takes over what a trainer writes (event log, standard output) into the attempt's spool. Not
// thread-safe: the attempt's runner owns it.

#include <cstdint>
#include <filesystem>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "worker/spool/event_line.h"
#include "worker/spool/line_reader.h"
#include "worker/spool/log_lines.h"
#include "worker/spool/spool.h"

namespace lathe::worker::spool {

class Collector {
 public:
  struct Sources {
    std::filesystem::path event_log;
    std::filesystem::path trainer_log;
    ForwardRule rule;
  };

  /// Goes on where the spool ends.
  Collector(Sources sources, Spool& spool, Instant now);

  /// Appends what is new; returns the checkpoints announced in it by this attempt. After an error
  /// (disk full) the same lines are tried again with the next call.
  Result<std::vector<EventLine>> Collect(Instant now);

  /// For a trainer that is gone: takes all there is, with a last log line that has no newline.
  Result<std::vector<EventLine>> CollectRest(Instant now);

 private:
  enum class Trainer : std::uint8_t { kRunning, kGone };
  Result<std::vector<EventLine>> CollectOnce(Trainer trainer, Instant now);
  void AddEvents(const std::vector<Line>& lines, std::vector<EventLine>& checkpoints);
  void AddLogLines(const std::vector<Line>& lines, Trainer trainer, Instant now);

  const Sources sources_;
  Spool& spool_;
  SourceOffsets next_;
  LogLines log_lines_;
  std::vector<Spool::Record> pending_;  ///< of the running Collect
};

}  // namespace lathe::worker::spool
