#pragma once
// A checked configuration → what the job will need, for the answer to whoever submits it: the
// workload that it describes, on the device that it would get. Pure.

#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/domain/node.h"
#include "common/domain/resources.h"
#include "common/estimator/estimate.h"
#include "coordinator/estimation/data_samples.h"
#include "lathe/v1/estimate.pb.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::estimation {

/// Of one CPU slot and one GPU, an hour; nullopt: no cost is told.
struct Prices {
  std::optional<double> cpu_slot_hour;
  std::optional<double> gpu_hour;
};

/// A node that could run the job, and what its worker measured there.
struct Candidate {
  const domain::NodeDescription* node = nullptr;
  std::optional<v1::MeasuredSpeed> speed;
};

struct Inputs {
  const v1::JobConfiguration& resolved;  ///< with every default
  const estimator::ModelShape& shape;
  const domain::ResourceRequest& resources;
  std::vector<Candidate> candidates;
  DataSample training;
  std::optional<DataSample> validation;
  Prices prices;
};

/// On the candidate with the most memory for the job.
v1::Estimate MakeEstimate(const Inputs& inputs);

/// Warnings about settings that do not fit the model or the data: a sequence length beyond the
/// model's own, a step that asks for more examples than there are.
std::vector<Finding> CheckFit(const v1::JobConfiguration& resolved,
                              const estimator::ModelShape& shape, const DataSample& training);

/// The workload that a resolved configuration describes. Lengths in tokens follow from the text's
/// bytes and how many of them are a token of the model (0: not known, 4.2 is taken); what is a
/// guess here, the trainer's own estimate counts.
estimator::Workload WorkloadOf(const v1::JobConfiguration& resolved, const DataSample& training,
                               const std::optional<DataSample>& validation, double bytes_per_token);

}  // namespace lathe::estimation
