#pragma once
// Writes PLAN.json, the trainer's order (worker/trainer_protocol).

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace lathe::worker::process {

struct Plan {
  std::string job_id;
  std::uint32_t attempt = 0;
  std::string device;              ///< "cpu" or "cuda:0"
  std::string configuration_json;  ///< a JSON object
  std::filesystem::path base_model;
  std::filesystem::path train;
  std::optional<std::filesystem::path> validation;
  std::filesystem::path output;
  std::optional<std::filesystem::path> init_adapter;
  unsigned world_size = 1;            ///< processes that share the work
  std::string base_weights = "auto";  ///< where the frozen weights are: see trainer_protocol.h
};

/// The text of the plan. kInvalidArgument when the configuration is not a JSON object.
Result<std::string> PlanText(const Plan& plan);

}  // namespace lathe::worker::process
