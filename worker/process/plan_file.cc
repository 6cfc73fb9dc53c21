#include "worker/process/plan_file.h"

#include <nlohmann/json.hpp>

#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::worker::process {

Result<std::string> PlanText(const Plan& plan) {
  using nlohmann::ordered_json;
  ordered_json configuration = ordered_json::parse(plan.configuration_json, nullptr, false);
  if (!configuration.is_object()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "the configuration of job " + plan.job_id + " is not a JSON object");
  }
  const auto path_or_null = [](const std::optional<std::filesystem::path>& path) {
    return path ? ordered_json(path->string()) : ordered_json(nullptr);
  };
  const ordered_json document = {
      {"planVersion", trainer_protocol::kPlanVersion},
      {"jobId", plan.job_id},
      {"attempt", plan.attempt},
      {"device", plan.device},
      {"configuration", std::move(configuration)},
      {"paths",
       {{"baseModel", plan.base_model.string()},
        {"train", plan.train.string()},
        {"validation", path_or_null(plan.validation)},
        {"output", plan.output.string()},
        {"initAdapter", path_or_null(plan.init_adapter)}}},
      {"distributed", {{"worldSize", plan.world_size}, {"baseWeights", plan.base_weights}}}};
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace lathe::worker::process
