#include "worker/process/outcome.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::worker::process {
namespace {

namespace protocol = trainer_protocol;

Outcome Failed(FailureKind failure, std::string message, const Remains& remains) {
  return {OutcomeKind::kFailed, failure, std::move(message), remains.findings};
}

bool SaysOutOfMemory(const Remains& remains) {
  return std::any_of(remains.findings.begin(), remains.findings.end(),
                     [](const Finding& finding) { return finding.code == "out_of_memory"; });
}

// An adopted trainer's exit code went to another process; its failed event carries the error's
// code, from which the trainer derives its exit code in the same way.
int ExitCodeOfFailedEvent(const Remains& remains) {
  constexpr std::array<std::string_view, 5> kWrongInput = {
      "invalid_argument", "not_found", "failed_precondition", "permission_denied", "data_loss"};
  if (std::find(kWrongInput.begin(), kWrongInput.end(), remains.code) != kWrongInput.end()) {
    return protocol::kExitInvalid;
  }
  if (remains.code != "resource_exhausted") return protocol::kExitFailed;
  return SaysOutOfMemory(remains) ? protocol::kExitOutOfMemory : protocol::kExitDiskFull;
}

int EffectiveExitCode(const Remains& remains) {
  if (remains.exit && remains.exit->code) return *remains.exit->code;
  if (remains.exit) return protocol::kExitFailed;
  if (remains.last_event == protocol::kEventSucceeded) return protocol::kExitSucceeded;
  if (remains.last_event == protocol::kEventInterrupted) return protocol::kExitInterrupted;
  if (remains.last_event == protocol::kEventFailed) return ExitCodeOfFailedEvent(remains);
  return protocol::kExitFailed;
}

std::string HowItEnded(const Remains& remains) {
  if (!remains.exit) return "the trainer ended without saying why";
  const std::string who = remains.rank.empty() ? "the trainer" : "the trainer of " + remains.rank;
  std::string text = who + " ended with " + ToString(*remains.exit);
  if (remains.exit->signal == SIGKILL) {
    text += "; if nobody killed it, the node ran out of memory";
  }
  return text;
}

std::string Why(const Remains& remains) {
  const bool told = remains.last_event == protocol::kEventFailed && !remains.message.empty();
  if (told && remains.rank.empty()) {
    return remains.message;
  }
  std::string text = HowItEnded(remains);
  if (remains.last_log_lines.empty()) return text;
  text += ". Its last words:";
  for (const std::string& line : remains.last_log_lines) text += "\n" + line;
  return text;
}

/// How much an end says about why the attempt failed; 0: nothing.
int Weight(const RankEnd& end) {
  if (!end.exit || end.left_behind) return 0;
  if (!end.exit->code) return 2;
  switch (*end.exit->code) {
    case protocol::kExitInvalid:
      return 5;
    case protocol::kExitOutOfMemory:
      return 4;
    case protocol::kExitDiskFull:
      return 3;
    case protocol::kExitSucceeded:
    case protocol::kExitInterrupted:
      return 0;
    default:
      return 1;
  }
}

}  // namespace

std::size_t DecisiveRank(const std::vector<RankEnd>& ends) {
  const auto code = ends.front().exit ? ends.front().exit->code : std::nullopt;
  if (code == protocol::kExitSucceeded || code == protocol::kExitInterrupted) return 0;
  const auto less = [](const RankEnd& a, const RankEnd& b) {
    return std::pair(Weight(a), b.order) < std::pair(Weight(b), a.order);
  };
  const auto most = std::max_element(ends.begin(), ends.end(), less);
  return Weight(*most) == 0 ? 0 : static_cast<std::size_t>(most - ends.begin());
}

Outcome Judge(const Remains& remains) {
  switch (EffectiveExitCode(remains)) {
    case protocol::kExitSucceeded:
      if (remains.last_event == protocol::kEventSucceeded)
        return {OutcomeKind::kSucceeded, {}, {}, {}};
      return Failed(FailureKind::kFault, "the trainer ended without a result", remains);
    case protocol::kExitInterrupted:
      return {OutcomeKind::kInterrupted, {}, {}, {}};
    case protocol::kExitInvalid:
      return Failed(FailureKind::kUser, Why(remains), remains);
    case protocol::kExitOutOfMemory:
      return Failed(FailureKind::kOutOfMemory, Why(remains), remains);
    case protocol::kExitDiskFull:
      return Failed(FailureKind::kFault, "the node's disk is full: " + Why(remains), remains);
    default:
      break;
  }
  if (!remains.kill_reason.empty()) {
    return Failed(FailureKind::kFault, remains.kill_reason, remains);
  }
  return Failed(FailureKind::kFault, Why(remains), remains);
}

}  // namespace lathe::worker::process
