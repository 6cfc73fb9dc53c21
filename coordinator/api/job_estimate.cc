#include "coordinator/api/job_estimate.h"

#include <algorithm>

#include "coordinator/estimation/estimation.h"

namespace lathe::api {
namespace {

std::vector<estimation::Candidate> CandidatesFor(const Context& context,
                                                 const std::vector<runtime::NodeView>& nodes,
                                                 const domain::JobSpec& spec) {
  std::vector<estimation::Candidate> candidates;
  for (const runtime::NodeView& view : nodes) {
    const domain::NodeDescription& node = view.node.description;
    const bool has_model =
        std::binary_search(node.models.begin(), node.models.end(), spec.base_model);
    const bool has_device = spec.resources.gpus == 0 || node.resources.cuda;
    if (!has_model || !has_device) continue;
    candidates.push_back({&node, context.sessions.facts().SpeedOf(node.id)});
  }
  return candidates;
}

}  // namespace

std::optional<JobEstimate> EstimateJob(const Context& context, const Submission& submission,
                                       const std::vector<runtime::NodeView>& nodes) {
  const domain::JobSpec& spec = submission.spec;
  // What a service takes for a job, it does not tell beforehand.
  if (!spec.engine.empty()) return std::nullopt;
  const auto shape = context.sessions.facts().ShapeOf(spec.base_model);
  const auto training = context.samples.Of(spec.train.sha256);
  if (!shape || !training) return std::nullopt;
  std::optional<estimation::DataSample> validation;
  if (spec.validation) {
    if (const auto sample = context.samples.Of(spec.validation->sha256)) validation = *sample;
  }
  return JobEstimate{
      .estimate = estimation::MakeEstimate({.resolved = submission.resolved,
                                            .shape = *shape,
                                            .resources = spec.resources,
                                            .candidates = CandidatesFor(context, nodes, spec),
                                            .training = *training,
                                            .validation = validation,
                                            .prices = context.prices}),
      .warnings = estimation::CheckFit(submission.resolved, *shape, *training)};
}

}  // namespace lathe::api
