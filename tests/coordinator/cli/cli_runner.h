#pragma once
// Runs one command line in this process and keeps what it wrote. Not thread-safe.

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/cli/app.h"

namespace lathe::cli {

struct RunResult {
  ExitCode code = ExitCode::kOk;
  std::string out;
  std::string err;
};

class CliRunner {
 public:
  RunResult Run(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::ostringstream out;
    std::ostringstream err;
    std::istringstream in(input);
    Context context{.out = out,
                    .err = err,
                    .in = in,
                    .interrupt = interrupt_,
                    .environment = environment,
                    .terminal = terminal,
                    .options = {}};
    const ExitCode code = RunCommandLine(context, arguments);
    return {code, out.str(), err.str()};
  }

  /// Nothing of the machine's own: no address, no folder that exists.
  Environment environment{.data_dir = "/nonexistent/lathe-test"};
  Terminal terminal;

 private:
  Interrupt interrupt_;
};

}  // namespace lathe::cli
