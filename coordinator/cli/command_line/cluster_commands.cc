#include "coordinator/cli/command_line/registry.h"
#include "coordinator/cli/commands/node_list.h"
#include "coordinator/cli/commands/up.h"
#include "coordinator/cli/commands/version.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {
namespace {

constexpr char kDataDirHelp[] =
    "Folder of everything; LATHE_DATA_DIR or ~/.local/state/lathe unless given";

void AddUpAndDown(CLI::App& app, Run& chosen) {
  const auto up = std::make_shared<UpOptions>();
  CLI::App* command =
      AddCommand(app, "up", "Start everything on this machine: Redis, coordinator, workers",
                 "  lathe up\n  lathe up --workers 2 --cpu\n"
                 "Options are remembered; a second `up` starts only what is missing.");
  command->add_option("--data-dir", up->data_dir, kDataDirHelp)->type_name("DIR");
  command->add_option("--workers", up->workers, "How many workers; 1 unless given")
      ->type_name("N")
      ->check(CLI::Range(1, 64));
  command->add_flag_function(
      "--cpu,!--no-cpu", [up](std::int64_t count) { up->cpu_only = count > 0; },
      "Leave the GPUs alone");
  command->add_option("--port", up->port, "Of the coordinator, 7420 unless given; 0 takes any")
      ->type_name("P")
      ->check(CLI::Range(0, 65000));
  command
      ->add_option("--models", up->models_dir,
                   "Folder of base models; DATA-DIR/models unless given")
      ->type_name("DIR");
  OnChosen(command, chosen, up, &RunUp);

  const auto down = std::make_shared<DownOptions>();
  command = AddCommand(app, "down", "Stop what `up` started; jobs go on after the next `up`",
                       "  lathe down");
  command->add_option("--data-dir", down->data_dir, kDataDirHelp)->type_name("DIR");
  OnChosen(command, chosen, down, &RunDown);
}

void AddNode(CLI::App& app, Run& chosen) {
  CLI::App* group = app.add_subcommand("node", "The machines that take jobs");
  group->require_subcommand(1);
  CLI::App* command =
      AddCommand(*group, "list", "Nodes with what they have and what they do", "  lathe node list");
  command->callback([&chosen] { chosen = &RunNodeList; });
}

void AddVersion(CLI::App& app, Run& chosen) {
  const auto options = std::make_shared<VersionOptions>();
  CLI::App* command = AddCommand(app, "version", "This program's version and the coordinator's",
                                 "  lathe version --client");
  command->add_flag("--client", options->client_only, "Do not ask the coordinator");
  OnChosen(command, chosen, options, &RunVersion);
}

void AddCompletion(CLI::App& app, Run& chosen) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* command = AddCommand(app, "completion", "Completion script for a shell",
                                 "  source <(lathe completion bash)\n"
                                 "  lathe completion fish > ~/.config/fish/completions/lathe.fish");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&chosen, &app, shell] {
    chosen = [shell, commands = Describe(app)](Context& context) -> Outcome {
      LATHE_ASSIGN_OR_RETURN(const std::string script, CompletionScript(*shell, commands));
      PrintResult(context, {{"shell", *shell}, {"script", script}}, script);
      return ExitCode::kOk;
    };
  });
}

}  // namespace

void AddClusterCommands(CLI::App& app, Run& chosen) {
  AddUpAndDown(app, chosen);
  AddNode(app, chosen);
  AddProviderCommands(app, chosen);
  AddVersion(app, chosen);
  AddCompletion(app, chosen);
}

}  // namespace lathe::cli
