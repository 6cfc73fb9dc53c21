// `lathe-trainer`: trains what a plan file says, and a few commands to check its parts by hand.

#include <CLI/CLI.hpp>

#include "worker/trainer/commands/generate.h"
#include "worker/trainer/commands/logits.h"
#include "worker/trainer/commands/run.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace {

namespace commands = lathe::trainer::commands;

CLI::App* AddGenerate(CLI::App& app, commands::GenerateArguments& arguments) {
  CLI::App* command = app.add_subcommand("generate", "Answer a chat given on standard input");
  command->add_option("MODEL", arguments.model, "model folder or GGUF file")->required();
  command->add_option("--adapter", arguments.adapter, "PEFT folder");
  command->add_option("--device", arguments.device, "cpu or cuda:N");
  command->add_option("--precision", arguments.precision)->check(CLI::IsMember({"fp32", "bf16"}));
  command->add_option("--max-tokens", arguments.max_tokens)->check(CLI::Range(1, 1 << 20));
  command->add_option("--temperature", arguments.temperature, "0: always the likeliest token")
      ->check(CLI::Range(0.0, 100.0));
  command->add_option("--top-p", arguments.top_p)->check(CLI::Range(0.0, 1.0));
  command->add_option("--seed", arguments.seed);
  command->add_flag("--json", arguments.json, "print lines of JSON as tokens come");
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains adapters for language models.", "lathe-trainer");
  app.require_subcommand(1);
  int exit_code = 0;

  std::string plan_file;
  CLI::App* run = app.add_subcommand("run", "Train what a plan file says, or go on with it");
  run->add_option("PLAN", plan_file, "plan file (JSON)")->required();
  run->callback([&] { exit_code = commands::RunPlanFile(plan_file); });

  commands::LogitsArguments logits_arguments;
  CLI::App* logits = app.add_subcommand("logits", "Write the logits of given tokens");
  logits->add_option("MODEL", logits_arguments.model, "model folder or GGUF file")->required();
  logits->add_option("IN", logits_arguments.input, "safetensors file with input_ids")->required();
  logits->add_option("OUT", logits_arguments.output, "safetensors file to write")->required();
  logits->add_option("--adapter", logits_arguments.adapter, "PEFT folder");
  logits->callback([&] { exit_code = commands::RunLogits(logits_arguments); });

  commands::GenerateArguments generate_arguments;
  AddGenerate(app, generate_arguments)->callback([&] {
    exit_code = commands::RunGenerate(generate_arguments);
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : lathe::trainer_protocol::kExitUsage;
  }
  return exit_code;
}
