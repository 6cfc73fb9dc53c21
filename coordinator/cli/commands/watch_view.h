#pragma once
// What `lathe watch` shows, as text made of values. Pure.

#include <optional>
#include <string>
#include <vector>

#include "coordinator/cli/context.h"
#include "coordinator/cli/output/plot.h"
#include "lathe/v1/job.pb.h"

namespace lathe::cli {

struct WatchState {
  v1::Job job;
  std::vector<Point> losses;       ///< (step, loss) of the metrics so far
  std::vector<Point> evaluations;  ///< (step, loss) on the validation set
  std::string notice;              ///< such as a lost connection; empty: none
};

/// The block that is drawn in place on a terminal: job, bar, numbers, plot. No line is wider than
/// the terminal.
std::vector<std::string> WatchBlock(const WatchState& state, const Terminal& terminal);

/// One line of a pipe: "42/84 (50 %)  epoch 1.50  loss 1.234  eval 1.4  812 tokens/s  ETA 1m 12s".
std::string NumbersLine(const v1::Progress& progress);

/// Which updates a pipe gets: each change of state or reason, and progress in steps of about 5 %.
/// Not thread-safe.
class PipeLines {
 public:
  std::optional<std::string> Next(const v1::Job& job);

 private:
  v1::JobState state_ = v1::JOB_STATE_UNSPECIFIED;
  std::string reason_;
  int shown_twentieth_ = 0;
};

}  // namespace lathe::cli
