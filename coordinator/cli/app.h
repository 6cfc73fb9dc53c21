#pragma once
// The program's composition root: streams, terminal and environment of this process, then one
// command.

#include <string>
#include <vector>

#include "coordinator/cli/context.h"

namespace lathe::cli {

/// Parses and runs; the exit code. `arguments` without the program's own name.
int Main(const std::vector<std::string>& arguments);

/// The same with streams and environment of the caller's choice.
ExitCode RunCommandLine(Context& context, const std::vector<std::string>& arguments);

}  // namespace lathe::cli
