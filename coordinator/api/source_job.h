#pragma once
// A job whose configuration is taken again for a new one: started over, perhaps at another engine.

#include <string>
#include <vector>

#include "common/base/error.h"
#include "coordinator/api/context.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::api {

struct SourceJob {
  v1::JobConfiguration configuration;  ///< as it was given; secrets opened
  std::vector<Finding> warnings;
};

/// For `user`, empty for a caller without a name: secrets are only for whoever submitted them and
/// has one. kNotFound; kFailedPrecondition when the key of its secrets is gone.
Result<SourceJob> ReadSourceJob(const Context& context, const std::string& id,
                                const std::string& user);

}  // namespace lathe::api
