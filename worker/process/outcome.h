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

struct Remains {
  /// Unset for an adopted trainer: then the last event alone decides.
  std::optional<ExitStatus> exit;
  /// Of the attempt's last event line; empty when it has none.
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
