#pragma once
// How the groups of commands are added to the CLI11 application. Included by this folder alone.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/cli/command_line/command_line.h"
#include "coordinator/cli/commands/completion.h"

namespace lathe::cli {

using Run = std::function<Outcome(Context&)>;

/// Adds a subcommand whose options live as long as the application. `examples` go below its help.
inline CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& help,
                            const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, help);
  if (!examples.empty()) command->footer("Examples:\n" + examples);
  return command;
}

/// Runs `run` with the parsed options when the command is chosen.
template <class Options>
void OnChosen(CLI::App* command, Run& chosen, std::shared_ptr<Options> options,
              Outcome (*run)(Context&, const Options&)) {
  command->callback([&chosen, options, run] {
    chosen = [options, run](Context& context) { return run(context, *options); };
  });
}

void AddJobCommands(CLI::App& app, Run& chosen);
void AddConfigCommands(CLI::App& app, Run& chosen);
void AddClusterCommands(CLI::App& app, Run& chosen);
void AddProviderCommands(CLI::App& app, Run& chosen);

/// The application as data, for completion and for suggestions.
std::vector<CommandDescription> Describe(const CLI::App& app);

}  // namespace lathe::cli
