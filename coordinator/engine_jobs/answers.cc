#include "coordinator/engine_jobs/answers.h"

#include <cmath>
#include <utility>

namespace lathe::engine_jobs {

using domain::AttemptPhase;
using providers::RemoteState;

std::string MarkerOf(const domain::AttemptKey& attempt) {
  return attempt.job.value() + "-" + std::to_string(attempt.attempt.value());
}

bool MayPass(ErrorCode code) {
  // What can't be read now may be readable later; 429 and answers beyond the limit are told as
  // kResourceExhausted.
  return IsPassing(code) || code == ErrorCode::kResourceExhausted || code == ErrorCode::kDataLoss;
}

std::string SayAway(const providers::Engine& engine, const Error& error) {
  return engine.title + " can't be asked at the moment and is asked again: " + error.message;
}

std::string SayStanding(const providers::Engine& engine, const providers::RemoteJob& job) {
  std::string text = "At " + engine.title + " as " + job.id;
  if (!job.their_state.empty()) text += ": " + job.their_state;
  if (job.state == RemoteState::kUnknown) text += ", which this release does not know";
  if (job.fraction && *job.fraction < 1) {
    text += ", " + std::to_string(std::lround(*job.fraction * 100)) + " % done";
  }
  return text + ".";
}

std::optional<domain::AttemptReport> EndOf(const providers::Engine& engine,
                                           const domain::AttemptKey& attempt,
                                           const providers::RemoteJob& job) {
  switch (job.state) {
    case RemoteState::kSucceeded: {
      domain::AttemptReport report{.key = attempt, .phase = AttemptPhase::kSucceeded};
      report.message = job.model.empty()
                           ? "Finished at " + engine.title + "."
                           : "Finished; the model is " + job.model + " at " + engine.title + ".";
      return report;
    }
    case RemoteState::kFailed:
      return Refused(attempt, job.error.empty() ? engine.title + " says that it failed, and not why"
                                                : engine.title + ": " + job.error);
    case RemoteState::kCancelled:
      return Ended(attempt, "Cancelled at " + engine.title + ".");
    case RemoteState::kUnknown:
    case RemoteState::kStarting:
    case RemoteState::kRunning:
      break;
  }
  return std::nullopt;
}

domain::AttemptReport Refused(const domain::AttemptKey& attempt, std::string message) {
  return {.key = attempt,
          .phase = AttemptPhase::kFailed,
          .failure_class = domain::FailureClass::kUser,
          .message = std::move(message)};
}

domain::AttemptReport Ended(const domain::AttemptKey& attempt, std::string message) {
  return {.key = attempt, .phase = AttemptPhase::kInterrupted, .message = std::move(message)};
}

}  // namespace lathe::engine_jobs
