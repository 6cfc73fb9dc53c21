#include "common/domain/attempt.h"

namespace lathe::domain {

std::string_view ToString(AttemptPhase phase) {
  switch (phase) {
    case AttemptPhase::kStarted:
      return "started";
    case AttemptPhase::kSucceeded:
      return "succeeded";
    case AttemptPhase::kFailed:
      return "failed";
    case AttemptPhase::kInterrupted:
      return "interrupted";
  }
  return "unknown";
}

std::string_view ToString(FailureClass failure_class) {
  switch (failure_class) {
    case FailureClass::kNone:
      return "none";
    case FailureClass::kUser:
      return "user";
    case FailureClass::kOutOfMemory:
      return "out_of_memory";
    case FailureClass::kFault:
      return "fault";
  }
  return "unknown";
}

}  // namespace lathe::domain
