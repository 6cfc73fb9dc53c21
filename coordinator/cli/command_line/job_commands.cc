#include <google/protobuf/descriptor.h>

#include "common/schema/parameters.h"
#include "coordinator/cli/command_line/call_options.h"
#include "coordinator/cli/command_line/registry.h"
#include "coordinator/cli/commands/adapter_pull.h"
#include "coordinator/cli/commands/generate.h"
#include "coordinator/cli/commands/get.h"
#include "coordinator/cli/commands/list.h"
#include "coordinator/cli/commands/logs.h"
#include "coordinator/cli/commands/submit.h"
#include "coordinator/cli/commands/watch.h"

namespace lathe::cli {
namespace {

constexpr char kJobHelp[] = "Job id, or as much of its beginning as is unique";

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// What is changed of it.
void AddChanges(CLI::App& command, SubmitOptions& options) {
  command.add_option("--dataset", options.dataset, "Training examples (JSON lines), sent if new")
      ->type_name("FILE");
  command.add_option("--validation", options.validation, "Validation examples, sent if new")
      ->type_name("FILE");
  command
      .add_option("--init-from", options.init_from,
                  "The adapter to go on from: its folder, sent if new, or a job's id")
      ->type_name("FOLDER|JOB");
  command.add_option("--set", options.set, "Set one parameter; may be given several times")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command
      .add_option("--provider", options.provider,
                  "The engine that runs it, as `lathe provider list` shows it; this cluster unless "
                  "given")
      ->type_name("ENGINE");
}

/// What a job is made from.
void AddSources(CLI::App& command, SubmitOptions& options) {
  CLI::Option* file = command.add_option("-f,--file", options.file,
                                         "Configuration, YAML or JSON; - is standard input");
  CLI::Option* from_template = command.add_option(
      "--template", options.template_name, "Instead: a built-in template, with --set above it");
  CLI::Option* saved = command.add_option("--config", options.saved,
                                          "Instead: a saved configuration, with --set above it");
  file->type_name("FILE");
  from_template->type_name("NAME")->excludes(file);
  saved->type_name("[OWNER/]NAME")->excludes(file)->excludes(from_template);
  AddChanges(command, options);
}

/// How the new job is queued and followed.
void AddQueueing(CLI::App& command, SubmitOptions& options) {
  command.add_option("--name", options.name, "A name to recognise the job by")->type_name("NAME");
  command.add_option("--priority", options.priority, "Larger runs first; 0 unless given")
      ->type_name("N");
  command.add_flag("--watch", options.watch, "Then follow it as `lathe watch` does");
  command.add_flag("--dry-run", options.dry_run,
                   "Check everything and show the resolved configuration; queue nothing "
                   "(datasets are sent, so that they can be checked)");
  command
      .add_option("--request-id", options.request_id,
                  "Name of this request; the same one never makes a second job")
      ->type_name("ID");
}

void ChooseSubmit(CLI::App& command, Run& chosen, const std::shared_ptr<SubmitOptions>& options) {
  command.callback([&chosen, options] {
    if (options->file.empty() && options->template_name.empty() && options->saved.empty()) {
      throw CLI::RequiredError("--file, --template or --config");
    }
    chosen = [options](Context& context) { return RunSubmit(context, *options); };
  });
}

void AddSubmit(CLI::App& app, Run& chosen) {
  const auto options = std::make_shared<SubmitOptions>();
  CLI::App* command =
      AddCommand(app, "submit", "Queue a fine-tuning job; prints its id",
                 "  lathe submit -f job.yaml --dataset train.jsonl --watch\n"
                 "  lathe submit -f job.yaml --set schedule.epochs=5 --dry-run\n"
                 "  lathe submit --config my-lora --dataset train.jsonl\n"
                 "  lathe submit -f job.yaml --dataset chats.jsonl --provider openai\n"
                 "  cat job.json | lathe submit -f -");
  AddSources(*command, *options);
  AddQueueing(*command, *options);
  ChooseSubmit(*command, chosen, options);
}

void AddRestart(CLI::App& app, Run& chosen) {
  const auto options = std::make_shared<SubmitOptions>();
  CLI::App* command = AddCommand(
      app, "restart", "Queue a job's configuration again, as a new job; prints its id",
      "  lathe restart job-k3x --watch\n"
      "  lathe restart job-k3x --provider openai --set model.baseModel=gpt-4.1-mini-2025-04-14");
  command->add_option("JOB", options->source_job, kJobHelp)->required();
  AddChanges(*command, *options);
  AddQueueing(*command, *options);
  OnChosen(command, chosen, options, &RunSubmit);
}

void AddEstimate(CLI::App& app, Run& chosen) {
  const auto options = std::make_shared<SubmitOptions>();
  options->estimate_only = true;
  CLI::App* command =
      AddCommand(app, "estimate", "Memory, time and cost of a job, without queueing it",
                 "  lathe estimate -f job.yaml --dataset train.jsonl\n"
                 "  lathe estimate --template qlora_single_gpu --dataset train.jsonl -o json");
  AddSources(*command, *options);
  ChooseSubmit(*command, chosen, options);
}

void AddList(CLI::App& app, Run& chosen) {
  const auto options = std::make_shared<ListOptions>();
  CLI::App* command = AddCommand(app, "list", "Jobs, newest first",
                                 "  lathe list --state running --state pending\n"
                                 "  lathe list --limit 0 -o json");
  command->add_option("--state", options->states, "Only jobs in this state; may be repeated")
      ->check(CLI::IsMember(StateTokens()))
      ->type_name("STATE")
      ->allow_extra_args(false);
  command->add_option("--limit", options->limit, "At most this many; 0 for all; 50 unless given")
      ->type_name("N");
  OnChosen(command, chosen, options, &RunList);
}

void AddGetAndCancel(CLI::App& app, Run& chosen) {
  const auto get = std::make_shared<GetOptions>();
  CLI::App* command = AddCommand(app, "get", "One job with its configuration",
                                 "  lathe get job-k3x\n  lathe get job-k3x -o json");
  command->add_option("JOB", get->job, kJobHelp)->required();
  OnChosen(command, chosen, get, &RunGet);

  const auto explain = std::make_shared<ExplainOptions>();
  command = AddCommand(app, "explain", "Why a job is in its state: what it waits for, why it ended",
                       "  lathe explain job-k3x");
  command->add_option("JOB", explain->job, kJobHelp)->required();
  OnChosen(command, chosen, explain, &RunExplain);

  const auto cancel = std::make_shared<CancelOptions>();
  command = AddCommand(app, "cancel", "End a job; what it has trained so far is not kept",
                       "  lathe cancel job-k3x --reason 'wrong dataset'");
  command->add_option("JOB", cancel->job, kJobHelp)->required();
  command->add_option("--reason", cancel->reason, "Kept with the job")->type_name("TEXT");
  OnChosen(command, chosen, cancel, &RunCancel);
}

void AddWatch(CLI::App& app, Run& chosen) {
  const auto options = std::make_shared<WatchOptions>();
  CLI::App* command =
      AddCommand(app, "watch", "Follow a job until it ends; Ctrl-C leaves it running",
                 "  lathe watch job-k3x\n  lathe watch job-k3x --timeout 3600 > progress.txt");
  command->add_option("JOB", options->job, kJobHelp)->required();
  command->add_option("--timeout", options->timeout_seconds, "Give up waiting after this long")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber);
  OnChosen(command, chosen, options, &RunWatch);
}

void AddLogs(CLI::App& app, Run& chosen) {
  const auto logs = std::make_shared<LogsOptions>();
  CLI::App* command =
      AddCommand(app, "logs", "What a job's trainer said, warnings, changes of state",
                 "  lathe logs job-k3x\n  lathe logs -f job-k3x");
  command->add_option("JOB", logs->job, kJobHelp)->required();
  command->add_flag("-f,--follow", logs->follow, "Go on until the job ends");
  command->add_flag("--all", logs->all, "Also metrics, phases and checkpoints");
  OnChosen(command, chosen, logs, &RunLogs);

  const auto metrics = std::make_shared<MetricsOptions>();
  command = AddCommand(app, "metrics", "A job's training steps with their losses",
                       "  lathe metrics job-k3x -o json | jq '.[].loss'");
  command->add_option("JOB", metrics->job, kJobHelp)->required();
  command->add_flag("--evaluations", metrics->evaluations, "The losses on the validation set");
  OnChosen(command, chosen, metrics, &RunMetrics);
}

void AddAdapter(CLI::App& app, Run& chosen) {
  CLI::App* group = app.add_subcommand("adapter", "Fine-tuned adapters");
  group->require_subcommand(1);
  const auto options = std::make_shared<AdapterPullOptions>();
  CLI::App* command =
      AddCommand(*group, "pull", "Copy a succeeded job's adapter (PEFT layout) here",
                 "  lathe adapter pull job-k3x -o my-adapter");
  command->add_option("JOB", options->job, kJobHelp)->required();
  command->add_option("-o,--out", options->target, "Folder to make; the job's id unless given")
      ->type_name("DIR");
  command->add_flag("--force", options->force, "Replace another adapter that is there");
  OnChosen(command, chosen, options, &RunAdapterPull);
}

/// What a composition may be, as its description in the call says.
std::string ComposeHelp() {
  const auto& field = *v1::GenerateRequest::descriptor()->FindFieldByName("composition");
  std::string help = field.options().GetExtension(v1::parameter).help();
  for (const schema::Parameter& parameter : schema::ParametersIn(field)) {
    if (parameter.path == "method") help += " METHOD: " + Joined(parameter.tokens) + ".";
    if (parameter.path == "adapters") help += " JOB: " + schema::SizeText(*parameter.spec) + ".";
    if (parameter.path != "adapters[].weight") continue;
    help += " WEIGHT: " + schema::LimitsText(*parameter.spec) + ", default " +
            parameter.spec->default_value() + ".";
  }
  return help + " A FILE of JSON says the same, and weights of layers.";
}

void AddGenerate(CLI::App& app, Run& chosen) {
  const auto options = std::make_shared<GenerateOptions>();
  CLI::App* command =
      AddCommand(app, "generate", "Answer a prompt with a base model, a job's adapter or several",
                 "  lathe generate --model smollm2-135m-instruct --prompt 'Why do we sleep?'\n"
                 "  lathe generate --job job-k3x --temperature 0 < question.txt\n"
                 "  lathe generate --compose additive:job-k3x=0.7,job-p8q=0.3 --prompt 'Why?'\n"
                 "  lathe generate --compose gates.json --prompt 'Why?'");
  CLI::Option* model = command->add_option("--model", options->model, "A base model's name");
  CLI::Option* job = command->add_option("--job", options->job, "A succeeded job: its adapter");
  model->type_name("MODEL")->excludes(job);
  job->type_name("JOB");
  command->add_option("--compose", options->composition, ComposeHelp())
      ->type_name("METHOD:JOB[=WEIGHT],...|FILE")
      ->excludes(model)
      ->excludes(job);
  command->add_option("--prompt", options->prompt, "The user's message; else standard input")
      ->type_name("TEXT");
  command->add_option("--system", options->system, "The system message")->type_name("TEXT");
  AddCallOptions(*command, options->how);
  command->callback([&chosen, options] {
    if (options->model.empty() && options->job.empty() && options->composition.empty()) {
      throw CLI::RequiredError("--model, --job or --compose");
    }
    chosen = [options](Context& context) { return RunGenerate(context, *options); };
  });
}

}  // namespace

void AddJobCommands(CLI::App& app, Run& chosen) {
  AddSubmit(app, chosen);
  AddRestart(app, chosen);
  AddEstimate(app, chosen);
  AddList(app, chosen);
  AddGetAndCancel(app, chosen);
  AddWatch(app, chosen);
  AddLogs(app, chosen);
  AddAdapter(app, chosen);
  AddGenerate(app, chosen);
}

}  // namespace lathe::cli
