#include "worker/trainer/commands/report.h"

#include <algorithm>
#include <cstdio>

#include "worker/trainer/device/guard.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

bool IsOutOfMemory(const Error& error) {
  return std::any_of(error.findings.begin(), error.findings.end(),
                     [](const Finding& finding) { return finding.code == device::kOutOfMemory; });
}

}  // namespace

int ExitCodeOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kDataLoss:
      return trainer_protocol::kExitInvalid;
    case ErrorCode::kResourceExhausted:
      return IsOutOfMemory(error) ? trainer_protocol::kExitOutOfMemory
                                  : trainer_protocol::kExitDiskFull;
    default:
      return trainer_protocol::kExitFailed;
  }
}

int Report(const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message.c_str());
  for (const Finding& finding : error.findings) {
    std::fprintf(stderr, "  %s: %s", finding.path.c_str(), finding.message.c_str());
    if (!finding.given.empty()) std::fprintf(stderr, " (given %s)", finding.given.c_str());
    if (!finding.expected.empty()) {
      std::fprintf(stderr, " - expected: %s", finding.expected.c_str());
    }
    std::fprintf(stderr, "\n");
  }
  return ExitCodeOf(error);
}

}  // namespace lathe::trainer::commands
