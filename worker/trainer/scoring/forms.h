#pragma once
// The forms in which calls can be written: learnt from two renderings of calls that are known, and
// read. Private to this room; pure functions.

#include <optional>
#include <string>
#include <vector>

#include "worker/trainer/scoring/tool_calls.h"

namespace lathe::trainer::scoring {

/// What a template makes of calls that are known.
struct Renderings {
  std::vector<ToolCall> calls;      ///< two, with two arguments each, all of them words
  std::string one;                  ///< of the first
  std::optional<std::string> both;  ///< nullopt: the template allows one a turn
  std::optional<std::string> bare;  ///< of the first without arguments
};

std::optional<ObjectForm> LearnObject(const Renderings& renderings);
std::optional<NamedForm> LearnNamed(const Renderings& renderings);
std::optional<PythonForm> LearnPython(const Renderings& renderings);
std::optional<MarkedForm> LearnMarked(const Renderings& renderings);

std::vector<ToolCall> ReadCalls(const ObjectForm& form, std::string_view text);
std::vector<ToolCall> ReadCalls(const NamedForm& form, std::string_view text);
std::vector<ToolCall> ReadCalls(const PythonForm& form, std::string_view text);
std::vector<ToolCall> ReadCalls(const MarkedForm& form, std::string_view text);

}  // namespace lathe::trainer::scoring
