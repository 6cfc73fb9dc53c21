#pragma once
// What a restarted daemon must know of a job's newest attempt, as JSON in the job's folder
// (attempt.json, version 1). Written atomically at each change of stage. Not thread-safe.

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/process_identity.h"
#include "common/base/result.h"
#include "lathe/v1/worker_service.pb.h"
#include "worker/attempt/job_folder.h"

namespace lathe::worker::attempt {

enum class Stage : std::uint8_t {
  kAccepted,   ///< to be prepared
  kLaunching,  ///< a trainer may run whose pid is not written down
  kRunning,    ///< `trainer` runs, or has just died
  kEnded,      ///< `report` waits for its acknowledgement
  kDone,       ///< acknowledged: nothing to do
};

struct AttemptRecord {
  Stage stage = Stage::kAccepted;
  v1::StartAttempt start;
  std::uint64_t history_end = 0;  ///< of the event log, see spool::ForwardRule
  ProcessIdentity trainer;        ///< when running
  v1::AttemptReport report;       ///< when ended
};

/// Durable when it returns.
Status Save(const JobFolder& folder, const AttemptRecord& record);
/// nullopt when the folder has none. kDataLoss for one that cannot be read.
Result<std::optional<AttemptRecord>> Load(const JobFolder& folder);

}  // namespace lathe::worker::attempt
