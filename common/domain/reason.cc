#include "common/domain/reason.h"

namespace lathe::domain {
namespace {

struct Text {
  std::string_view token;
  std::string_view sentence;
};

Text TextOf(ReasonCode code) {
  switch (code) {
    case ReasonCode::kQueued:
      return {"queued", "Waits for the next scheduling pass."};
    case ReasonCode::kWaitingForResources:
      return {"waiting_for_resources", "Waits for resources that other jobs hold."};
    case ReasonCode::kWaitingForNode:
      return {"waiting_for_node", "Waits for a worker: none is connected."};
    case ReasonCode::kBaseModelMissing:
      return {"base_model_missing", "No connected worker has the base model."};
    case ReasonCode::kNoNodeFits:
      return {"no_node_fits", "No connected worker is large enough for this job."};
    case ReasonCode::kWaitingForRetry:
      return {"waiting_for_retry", "Waits a moment before it is tried again after a fault."};
    case ReasonCode::kNodeLost:
      return {"node_lost", "Its worker went silent; waits to go on from the last checkpoint."};
    case ReasonCode::kAttemptLost:
      return {"attempt_lost", "Its worker came back without it; waits to be started again."};
    case ReasonCode::kInterrupted:
      return {"interrupted", "Left with a checkpoint; waits to go on from it."};
    case ReasonCode::kWaitingForEngine:
      return {"waiting_for_engine", "Waits for its engine, which can't be used at the moment."};
    case ReasonCode::kTrainerLacks:
      return {"trainer_lacks", "No connected worker's trainer can do all that it asks for."};
    case ReasonCode::kAssigned:
      return {"assigned", "A worker is preparing it."};
    case ReasonCode::kTraining:
      return {"training", "Trains."};
    case ReasonCode::kCancelling:
      return {"cancelling", "Is being cancelled; waits for the trainer to leave."};
    case ReasonCode::kEngineAway:
      return {"engine_away", "Its engine doesn't answer; it is asked again."};
    case ReasonCode::kSucceeded:
      return {"succeeded", "Finished; the adapter is stored."};
    case ReasonCode::kUserError:
      return {"user_error", "The configuration, model or data is wrong; trying again won't help."};
    case ReasonCode::kOutOfMemory:
      return {"out_of_memory", "Ran out of memory."};
    case ReasonCode::kTooManyFaults:
      return {"too_many_faults", "Failed too often without getting any further."};
    case ReasonCode::kCancelled:
      return {"cancelled", "Cancelled."};
  }
  return {"unknown", "Unknown reason."};
}

}  // namespace

std::string_view ToString(ReasonCode code) {
  return TextOf(code).token;
}

std::string Sentence(const Reason& reason) {
  return reason.detail.empty() ? std::string(TextOf(reason.code).sentence) : reason.detail;
}

}  // namespace lathe::domain
