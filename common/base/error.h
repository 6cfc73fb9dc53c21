#pragma once
// The error value of every room, and the findings that explain bad input. Errors travel in
// Result<T> (result.h); a bug is LATHE_CHECK (check.h) instead. One place translates these codes to
// gRPC statuses (common/rpc) and one to process exit codes (coordinator/cli).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// A code exists only where some caller acts on it.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,     ///< the request is wrong, whatever the state of the system
  kNotFound,            ///< the named thing does not exist
  kAlreadyExists,       ///< a thing of that name exists
  kFailedPrecondition,  ///< right request, wrong state; do not retry as it is
  kAborted,             ///< lost a race (revision or epoch moved); retry on fresh state
  kPermissionDenied,
  kUnauthenticated,
  kResourceExhausted,  ///< disk, memory, quota or a bounded queue is full
  kUnavailable,        ///< retry later with back-off
  kDeadlineExceeded,
  kCancelled,
  kDataLoss,  ///< stored or received bytes are damaged
  kInternal,  ///< everything no caller can act on
};

/// "invalid_argument" and so on: the stable spelling used in logs, JSON errors and metric labels.
std::string_view ToString(ErrorCode code);

/// Whether the same call to another process may succeed a little later. kCancelled is among them: a
/// server that stops cancels the calls it has; who cancels a call of its own does not ask.
bool IsPassing(ErrorCode code);

enum class Severity : std::uint8_t { kError, kWarning };
std::string_view ToString(Severity severity);

/// One thing found while checking an input. Errors block, warnings never do.
struct Finding {
  std::string path;  ///< field path in JSON spelling ("method.loraConfig.rank"), or file:line
  Severity severity = Severity::kError;
  std::string code;      ///< stable machine-readable reason, e.g. "out_of_range"
  std::string message;   ///< one sentence for a person
  std::string given;     ///< what was given, as JSON; empty when nothing was
  std::string expected;  ///< what would be right

  friend bool operator==(const Finding&, const Finding&) = default;
};

/// True when at least one finding is an error.
bool HasErrors(const std::vector<Finding>& findings);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;            ///< names the object and, where there is one, the remedy
  std::vector<Finding> findings;  ///< all at once, for bad input
  std::string hint;               ///< what a person can do about it; empty when the message says it

  /// The same error, its message prefixed with what was being done: "read plan.json: ...".
  Error WithContext(std::string_view context) const;
};

/// "not_found: job j-1 does not exist", followed by a line per finding.
std::string ToString(const Error& error);

}  // namespace lathe
