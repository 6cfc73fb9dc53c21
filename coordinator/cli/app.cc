#include "coordinator/cli/app.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "coordinator/cli/command_line/command_line.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {
namespace {

Terminal TerminalOfProcess(const Environment& environment) {
  Terminal terminal{.out = ::isatty(STDOUT_FILENO) == 1, .err = ::isatty(STDERR_FILENO) == 1};
  terminal.color = terminal.out && terminal.err && !environment.no_color;
  terminal.utf8 = environment.utf8;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    terminal.width = size.ws_col;
  return terminal;
}

ExitCode Report(Context& context, const Outcome& outcome) {
  if (outcome) return *outcome;
  const ExitCode code = ExitCodeOf(outcome.error().code);
  PrintError(context, outcome.error(), code);
  return code;
}

}  // namespace

ExitCode RunCommandLine(Context& context, const std::vector<std::string>& arguments) {
  const ParsedCommandLine parsed = ParseCommandLine(arguments);
  context.options.format = parsed.format;
  if (parsed.usage_error) {
    PrintError(context, *parsed.usage_error, ExitCode::kUsage);
    return ExitCode::kUsage;
  }
  if (!parsed.invocation) {
    context.out << parsed.help << std::flush;
    return ExitCode::kOk;
  }
  context.options = parsed.invocation->options;
  return Report(context, parsed.invocation->run(context));
}

int Main(const std::vector<std::string>& arguments) {
  // First of all: threads started later inherit which signals are blocked.
  Interrupt interrupt;
  const Environment environment = Environment::FromProcess();
  Context context{.out = std::cout,
                  .err = std::cerr,
                  .in = std::cin,
                  .interrupt = interrupt,
                  .environment = environment,
                  .terminal = TerminalOfProcess(environment),
                  .options = {}};
  return static_cast<int>(RunCommandLine(context, arguments));
}

}  // namespace lathe::cli
