#include "coordinator/cli/command_line/registry.h"
#include "coordinator/cli/commands/provider.h"
#include "coordinator/cli/commands/provider_job.h"

namespace lathe::cli {
namespace {

constexpr char kEngineHelp[] = "As `lathe provider list` shows it";

void AddStart(CLI::App& group, Run& chosen) {
  const auto start = std::make_shared<ProviderStartOptions>();
  CLI::App* command =
      AddCommand(group, "start", "Start a job at a service; prints the service's own id of it",
                 "  lathe provider start openai -f job.yaml --dataset chats.jsonl");
  command->add_option("ENGINE", start->id, kEngineHelp)->required();
  command->add_option("-f,--file", start->file, "YAML or JSON; - is standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--dataset", start->dataset, "Training data")->type_name("FILE");
  command->add_option("--validation", start->validation, "Validation data")->type_name("FILE");
  command
      ->add_option("--request-id", start->request_id,
                   "The same id gives the same job, also when an answer was lost")
      ->type_name("ID");
  OnChosen(command, chosen, start, &RunProviderStart);
}

void AddJobs(CLI::App& group, Run& chosen) {
  AddStart(group, chosen);
  const auto status = std::make_shared<ProviderJobOptions>();
  CLI::App* command = AddCommand(group, "status", "State, result and newest events of such a job",
                                 "  lathe provider status openai ftjob-abc");
  command->add_option("ENGINE", status->id, kEngineHelp)->required();
  command->add_option("JOB", status->job, "As `lathe provider start` printed it")->required();
  OnChosen(command, chosen, status, &RunProviderStatus);

  const auto cancel = std::make_shared<ProviderJobOptions>();
  command =
      AddCommand(group, "cancel", "End such a job", "  lathe provider cancel openai ftjob-abc");
  command->add_option("ENGINE", cancel->id, kEngineHelp)->required();
  command->add_option("JOB", cancel->job, "As `lathe provider start` printed it")->required();
  OnChosen(command, chosen, cancel, &RunProviderCancel);
}

}  // namespace

void AddProviderCommands(CLI::App& app, Run& chosen) {
  CLI::App* group = app.add_subcommand("provider", "Engines: this cluster and services");
  group->require_subcommand(1);
  CLI::App* command = AddCommand(*group, "list", "Engines that can run a job, or why they cannot",
                                 "  lathe provider list");
  command->callback([&chosen] { chosen = &RunProviderList; });

  const auto capabilities = std::make_shared<ProviderCapabilitiesOptions>();
  command = AddCommand(*group, "capabilities",
                       "What an engine can do, its stricter ranges and own parameters",
                       "  lathe provider capabilities together");
  command->add_option("ENGINE", capabilities->id, kEngineHelp)->required();
  OnChosen(command, chosen, capabilities, &RunProviderCapabilities);

  const auto translate = std::make_shared<ProviderTranslateOptions>();
  command = AddCommand(*group, "translate",
                       "The exact requests that an engine would get; nothing is sent to it",
                       "  lathe provider translate openai -f job.yaml -o json\n"
                       "  lathe provider translate together -f job.yaml --set "
                       "model.baseModel=Qwen/Qwen3.5-9B");
  command->add_option("ENGINE", translate->id, kEngineHelp)->required();
  command->add_option("-f,--file", translate->file, "YAML or JSON; - is standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--set", translate->set, "Set one parameter; may be given several times")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  OnChosen(command, chosen, translate, &RunProviderTranslate);
  AddJobs(*group, chosen);
}

}  // namespace lathe::cli
