#pragma once
// The command line: which command with which options. All of CLI11 stays behind this header.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/cli/context.h"

namespace lathe::cli {

/// What the words on the command line ask for.
struct Invocation {
  GlobalOptions options;
  std::function<Outcome(Context&)> run;
};

/// Either a command to run, or an exit code with the text for help (standard output) or the error.
struct ParsedCommandLine {
  std::optional<Invocation> invocation;
  std::string help;
  std::optional<Error> usage_error;
  OutputFormat format = OutputFormat::kTable;  ///< wanted for the error
};

/// `arguments` without the program's own name.
ParsedCommandLine ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace lathe::cli
