#pragma once
// Divisors of rotary frequencies, as GGUF files have them, in the words of config.json. Private to
// this room; pure.

#include <nlohmann/json.hpp>

#include "worker/trainer/model/rope_description.h"

namespace lathe::trainer::exporting {

/// The rope_scaling that turns positions by the same angles: Llama 3's, where the divisors are what
/// it makes of some original context; else LongRoPE with these divisors for short and long
/// sequences. `rope` has fixed divisors.
nlohmann::ordered_json FixedScalingJson(const model::RopeDescription& rope, std::int64_t context);

}  // namespace lathe::trainer::exporting
