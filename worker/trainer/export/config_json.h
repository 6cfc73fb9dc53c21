#pragma once
// A model's description as a Hugging Face config.json. Private to this room.

#include <c10/core/ScalarType.h>

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"
#include "worker/trainer/model/description.h"

namespace lathe::trainer::exporting {

/// "float32", "bfloat16" or "float16", as config.json has it.
const char* TypeName(c10::ScalarType type);

/// Everything but the ids of tokens. kInvalidArgument says what of the model has no place there.
Result<nlohmann::ordered_json> ConfigJson(const model::ModelDescription& description,
                                          c10::ScalarType type);

}  // namespace lathe::trainer::exporting
