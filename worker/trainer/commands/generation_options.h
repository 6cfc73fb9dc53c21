#pragma once
// The options of `generate` that the schema describes, their ranges, defaults and help with them.

#include <vector>

#include "common/base/error.h"
#include "worker/trainer/commands/generate.h"

namespace CLI {
class App;
}

namespace lathe::trainer::commands {

/// One option for each row of plan/generation_table.inc. Parsing sets the members of `arguments`;
/// whether they are within their limits is CheckGeneration's.
void AddGenerationOptions(CLI::App& command, GenerateArguments& arguments);

/// What is outside its limits, all of it; a finding's path is the option.
std::vector<Finding> CheckGeneration(const GenerateArguments& arguments);

}  // namespace lathe::trainer::commands
