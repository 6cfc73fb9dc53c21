#pragma once
// What a restarted daemon must know of a job's newest attempt, as JSON in the job's folder
// (attempt.json, version 1). Written atomically at each change of stage. Not thread-safe.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/process_identity.h"
#include "common/base/result.h"
#include "lathe/v1/worker_service.pb.h"
#include "worker/attempt/job_folder.h"

namespace lathe::worker::attempt {

enum class Stage : std::uint8_t {
  kAccepted,   ///< to be prepared
  kLaunching,  ///< trainers may run whose pids are not written down
  kRunning,    ///< `trainers` run, or have just died
  kEnded,      ///< `report` waits for its acknowledgement
  kDone,       ///< acknowledged: nothing to do
};

struct AttemptRecord {
  Stage stage = Stage::kAccepted;
  v1::StartAttempt start;
  unsigned ranks = 1;                     ///< trainers that share the work, one process each
  std::string base_weights = "auto";      ///< see process::Plan
  std::uint64_t history_end = 0;          ///< of the event log, see spool::ForwardRule
  std::vector<ProcessIdentity> trainers;  ///< when running: rank 0 first
  v1::AttemptReport report;               ///< when ended
};

/// Durable when it returns.
Status Save(const JobFolder& folder, const AttemptRecord& record);
/// nullopt when the folder has none. kDataLoss for one that cannot be read.
Result<std::optional<AttemptRecord>> Load(const JobFolder& folder);

}  // namespace lathe::worker::attempt
