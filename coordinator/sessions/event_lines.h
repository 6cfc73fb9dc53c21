#pragma once
// A worker's batch of event lines as it is stored, and what it says for the job's progress. Pure.

#include "common/base/result.h"
#include "common/domain/progress.h"
#include "coordinator/storage/store.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::sessions {

struct ReadBatch {
  storage::EventBatch batch;
  domain::ProgressUpdate progress;
};

/// A line that is no JSON object with a type is kept as a `log` entry: a broken line must not hold
/// up those behind it. `now` stands in for a time that is not there. kInvalidArgument when the
/// sequence numbers do not grow from 1.
Result<ReadBatch> ReadEventBatch(const v1::EventBatch& batch, Instant now);

}  // namespace lathe::sessions
