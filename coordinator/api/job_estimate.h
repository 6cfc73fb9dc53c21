#pragma once
// The estimate in the answer to whoever submits a job, and what it finds.

#include <optional>
#include <vector>

#include "common/base/error.h"
#include "coordinator/api/context.h"
#include "coordinator/api/submission.h"
#include "lathe/v1/estimate.pb.h"

namespace lathe::api {

struct JobEstimate {
  v1::Estimate estimate;
  std::vector<Finding> warnings;
};

/// nullopt while no worker has told the shape of the job's base model, and for other engines.
std::optional<JobEstimate> EstimateJob(const Context& context, const Submission& submission,
                                       const std::vector<runtime::NodeView>& nodes);

}  // namespace lathe::api
