#pragma once
// Rotary positions as config.json describes them, in both spellings: rope_theta with rope_scaling,
// and rope_parameters. Private to the readers of descriptions.

#include "worker/trainer/model/config_reader.h"
#include "worker/trainer/model/description.h"

namespace lathe::trainer::model {

/// What a family has of its own.
struct RopeConventions {
  double theta = 10000;               ///< where the configuration says nothing
  bool partial = false;               ///< partial_rotary_factor is obeyed
  bool long_aliases = false;          ///< "su" and "yarn" are older names of "longrope"
  std::int64_t original_context = 0;  ///< of the first training, where nothing is said; 0: context
};

/// `parameters` may be nullptr: nothing but a theta at the top. Refusals go to config.
RopeDescription ReadRope(ConfigReader& config, const nlohmann::json* parameters,
                         const ModelDescription& description, const RopeConventions& conventions);

/// The object that describes the one rope of a model, in either spelling; nullptr without any.
const nlohmann::json* FindRopeParameters(const ConfigReader& config);

}  // namespace lathe::trainer::model
