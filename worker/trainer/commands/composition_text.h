#pragma once
// Compositions of adapters as people write them: on a command line, in a file or with a prompt.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/adapters/composition.h"

namespace lathe::trainer::commands {

struct WrittenMember {
  std::string adapter;  ///< its name, or its folder
  adapters::AdapterWeights weights;
};

struct WrittenComposition {
  std::string name;
  adapters::CompositionMethod method = adapters::CompositionMethod::kAdditive;
  std::vector<WrittenMember> members;
};

/// "[NAME=]METHOD:ADAPTER[=WEIGHT],..." or "[NAME=]FILE" of the JSON that ReadComposition reads.
/// Without a name it is called as it is written. kInvalidArgument with all that is wrong.
Result<WrittenComposition> ParseComposition(const std::string& given);

/// {"name"?, "method", "adapters": [{"adapter", "weight"?, "weights"?, "headWeight"?}, ...]}:
/// `weight` everywhere (1 when absent) or, for method "gated", `weights` of the layers and of the
/// output head (1 when absent). kInvalidArgument with all that is wrong.
Result<WrittenComposition> ReadComposition(const nlohmann::ordered_json& json);

}  // namespace lathe::trainer::commands
