#pragma once
// Compositions of adapters as people write them: on a command line, in a file or with a prompt.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/base/result.h"
#include "common/composition/composition.h"

namespace lathe::composition {

/// Whether a text with a `=` in it is an adapter's name as a whole, not "ADAPTER=WEIGHT".
using NamesAdapter = std::function<bool(const std::string&)>;

/// "[NAME=]METHOD:ADAPTER[=WEIGHT],..." or "[NAME=]FILE" of the JSON that ReadComposition reads.
/// Without a name it is called as it is written. kInvalidArgument with all that is wrong.
Result<Composition> ParseComposition(const std::string& given, const NamesAdapter& names_adapter);

/// {"name"?, "method", "adapters": [{"adapter", "weight"?, "weights"?, "headWeight"?}, ...]}:
/// `weight` everywhere (1 when absent) or, for method "gated", `weights` of the layers and of the
/// output head (1 when absent). kInvalidArgument with all that is wrong.
Result<Composition> ReadComposition(const nlohmann::ordered_json& json);

/// What ReadComposition reads back as the same, the numbers to their last digit.
nlohmann::ordered_json WriteComposition(const Composition& composition);

}  // namespace lathe::composition
