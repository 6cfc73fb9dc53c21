#pragma once
// Why a job is in its state: a stable code for programs and one sentence for people. Every job has
// one at all times.

#include <cstdint>
#include <string>
#include <string_view>

namespace lathe::domain {

/// Persisted: never renumber, only add.
enum class ReasonCode : std::uint8_t {
  // pending
  kQueued = 1,
  kWaitingForResources = 2,  ///< a node could run it, but is busy
  kWaitingForNode = 3,       ///< no node is connected
  kBaseModelMissing = 4,     ///< no connected node has the base model
  kNoNodeFits = 5,           ///< no connected node is large enough, even when empty
  kWaitingForRetry = 6,      ///< backing off after a fault
  kNodeLost = 7,             ///< its node went silent; it waits to go on elsewhere
  kAttemptLost = 8,          ///< its node came back without it
  kInterrupted = 9,          ///< its trainer was told to leave and wrote a checkpoint
  kWaitingForEngine = 10,    ///< the engine that it is for can't be used at the moment
  kTrainerLacks = 11,        ///< no connected node's trainer can do all that it asks for
  // starting, running
  kAssigned = 20,
  kTraining = 21,
  kCancelling = 22,
  kEngineAway = 23,  ///< the engine that has it doesn't answer
  // final
  kSucceeded = 40,
  kUserError = 41,  ///< plan, model or data is wrong
  kOutOfMemory = 42,
  kTooManyFaults = 43,
  kCancelled = 44,
};

/// "waiting_for_resources" and so on; never changes.
std::string_view ToString(ReasonCode code);

struct Reason {
  ReasonCode code = ReasonCode::kQueued;
  /// A sentence that says more than the code's own; empty: the code's own is all there is to say.
  std::string detail;
  friend bool operator==(const Reason&, const Reason&) = default;
};

/// The sentence to show; never empty.
std::string Sentence(const Reason& reason);

}  // namespace lathe::domain
