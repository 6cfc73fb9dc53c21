#pragma once
// Judges how an attempt ended, from what its trainer left: exit status, last event line, log. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/child_process.h"
#include "common/base/error.h"

namespace lathe::worker::process {

enum class OutcomeKind : std::uint8_t { kSucceeded, kInterrupted, kFailed };
/// Decides about another try, see FailureClass in worker_service.proto.
enum class FailureKind : std::uint8_t { kNone, kUser, kOutOfMemory, kFault };

struct Outcome {
  OutcomeKind kind = OutcomeKind::kFailed;
  FailureKind failure = FailureKind::kNone;
  std::string message;  ///< why it failed
  std::vector<Finding> findings;
};

/// How the trainer of one rank ended.
struct RankEnd {
  /// Unset for an adopted trainer: then the last event alone decides.
  std::optional<ExitStatus> exit;
  unsigned order = 0;        ///< ranks that had ended before it
  bool left_behind = false;  ///< killed because another had ended
};

/// The rank whose end tells why the attempt ended: rank 0 when it came to an end of its own, else
/// the one that says most (wrong input, no memory, full disk; then a crash, then any other failure:
/// ranks that lose one of them fail, too), the earliest of equals. There is at least one.
std::size_t DecisiveRank(const std::vector<RankEnd>& ends);

struct Remains {
  /// How the decisive rank ended.
  std::optional<ExitStatus> exit;
  /// Set when that is not rank 0: "rank 2 of 4". Events are then those of a bystander.
  std::string rank;
  /// Of the attempt's last event line, which rank 0 has written; empty when it has none.
  std::string last_event;
  std::string code;     ///< of a failed event
  std::string message;  ///< of a failed event
  std::vector<Finding> findings;
  std::vector<std::string> last_log_lines;
  /// Why the daemon killed it; empty when it did not.
  std::string kill_reason;
};

Outcome Judge(const Remains& remains);

}  // namespace lathe::worker::process
