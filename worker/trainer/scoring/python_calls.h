#pragma once
// Calls as Python has them, with literals by name: [get_weather(city="Paris", days=3), stop()].
// Pure.

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "worker/trainer/scoring/tool_calls.h"

namespace lathe::trainer::scoring {

struct PythonCalls {
  std::vector<ToolCall> calls;  ///< at least one
  std::size_t end = 0;          ///< where they end in the text
};

/// The list of calls, or the single call, that a text begins with, white space left out. Values
/// are strings in either quotes, numbers, True, False and None (also as JSON spells them, since
/// templates write values as JSON), lists, tuples, and dicts with strings as keys. Names of
/// functions may have dots and hyphens. nullopt for whatever else Python allows (positional
/// arguments, operators, names, f-strings), for a name that is given twice, for text that is not
/// UTF-8 and for values that are nested more than 64 deep.
///
/// https://docs.python.org/3/reference/lexical_analysis.html#literals
std::optional<PythonCalls> ReadPythonCalls(std::string_view text);

}  // namespace lathe::trainer::scoring
