#pragma once
// One value against its row of the parameter table.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "worker/trainer/plan/parameter_table.h"

namespace lathe::trainer::plan {

/// True when the value has the right type, range and tokens; else a finding is added.
bool CheckValue(const Parameter& parameter, const nlohmann::json& value,
                std::vector<Finding>& findings);

/// "did you mean schedule.batchSize?", or "" when nothing is near.
std::string ClosestPath(const std::string& path);

}  // namespace lathe::trainer::plan
