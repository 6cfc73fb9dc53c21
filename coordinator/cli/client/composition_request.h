#pragma once
// A composition of adapters, as people write it, for a call: its adapters are jobs.

#include <string>

#include "common/base/result.h"
#include "common/composition/composition.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "lathe/v1/inference_service.pb.h"

namespace lathe::cli {

/// What `--compose` was given: "METHOD:JOB[=WEIGHT],..." or a file, see ParseComposition. It has
/// the name that it was given, or none. kInvalidArgument with all that is wrong.
Result<composition::Composition> ParseJobComposition(const std::string& given);

/// Replaces jobs that are named by the beginning of their id, see ResolveJobId. The errors of all
/// of them are findings of one, which has the first one's code.
Status ResolveJobs(CoordinatorClient& client, composition::Composition& composition);

v1::Composition ToProto(const composition::Composition& composition);

}  // namespace lathe::cli
