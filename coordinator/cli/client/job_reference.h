#pragma once
// Jobs named by as much of their id as is unique, with or without `job-`.

#include <string>

#include "common/base/result.h"
#include "coordinator/cli/client/coordinator_client.h"

namespace lathe::cli {

/// The full id. A text as long as an id is taken as it is, without a call. kNotFound when no job
/// begins so, kFailedPrecondition naming some of them when several do.
Result<std::string> ResolveJobId(CoordinatorClient& client, const std::string& reference);

}  // namespace lathe::cli
