#pragma once
// `lathe-trainer estimate PLAN`: memory, steps, tokens and time of a plan before it runs, from the
// model's shape, the examples' real lengths and a short measurement of this machine.

#include <filesystem>
#include <iosfwd>

namespace lathe::trainer::commands {

struct EstimateArguments {
  std::filesystem::path plan;
  bool json = false;
};

int RunEstimate(const EstimateArguments& arguments, std::ostream& out);

}  // namespace lathe::trainer::commands
