#include "worker/trainer/commands/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "common/base/version.h"
#include "worker/trainer/commands/bench.h"
#include "worker/trainer/commands/bench_step.h"
#include "worker/trainer/commands/capabilities.h"
#include "worker/trainer/commands/estimate.h"
#include "worker/trainer/commands/generate.h"
#include "worker/trainer/commands/generation_options.h"
#include "worker/trainer/commands/inspect.h"
#include "worker/trainer/commands/logits.h"
#include "worker/trainer/commands/merge.h"
#include "worker/trainer/commands/run.h"
#include "worker/trainer/commands/tokenize.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

CLI::Option* DescribeCompose(CLI::App& command, SpeakerArguments& arguments) {
  return command.add_option(
      "--compose", arguments.compositions,
      "[NAME=]METHOD:ADAPTER[=WEIGHT],... or [NAME=]FILE of JSON: adapters by "
      "folder or name, applied together; methods: additive, gated, sequential");
}

void DescribeLogits(CLI::App& command, LogitsArguments& arguments) {
  command.add_option("MODEL", arguments.model, "model folder or GGUF file")->required();
  command.add_option("IN", arguments.input, "safetensors file: input_ids, attention_mask")
      ->required();
  command.add_option("OUT", arguments.output, "safetensors file to write")->required();
  auto* adapter = command
                      .add_option("--adapter", arguments.speakers.adapters,
                                  "folder that a run wrote, or one of PEFT or AdapterHub")
                      ->expected(1);
  DescribeCompose(command, arguments.speakers)->expected(1)->excludes(adapter);
  command.add_option("--device", arguments.device, "cpu or cuda:N")->capture_default_str();
  command.add_option("--precision", arguments.precision, "fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
}

void DescribeMerge(CLI::App& command, merge::MergeOptions& options) {
  command.add_option("MODEL", options.model, "model folder or GGUF file")->required();
  command.add_option("--adapter", options.adapter,
                     "PEFT folder to merge into the weights; default: none, the model as it is");
  command.add_option("--output", options.output, "new folder, or new GGUF file")->required();
  command.add_option("--format", options.format, "safetensors or gguf")
      ->check(CLI::IsMember({"safetensors", "gguf"}))
      ->default_val("safetensors");
  command.add_option("--precision", options.precision,
                     "fp32, bf16, fp16, for gguf also q8_0; default: as stored, for gguf fp16");
  command.add_option("--shard-size", options.shard_bytes, "largest file of a folder, in bytes")
      ->transform(CLI::AsSizeValue(false));
}

void DescribeTokenize(CLI::App& command, std::filesystem::path& model) {
  command.add_option("MODEL", model, "model folder or GGUF file")->required();
  command.footer(
      "Reads lines of JSON from standard input, and answers each with one:\n"
      "  \"text\"                -> {\"ids\"}\n"
      "  {\"messages\": [...]}   -> {\"ids\", \"text\", \"assistant_mask\"}\n"
      "  [id, ...]             -> {\"text\"}");
}

void DescribeGenerate(CLI::App& command, GenerateArguments& arguments) {
  command.add_option("MODEL", arguments.model, "model folder or GGUF file")->required();
  command
      .add_option("--adapter", arguments.speakers.adapters,
                  "[NAME=]FOLDER that a run wrote, or one of PEFT or AdapterHub; several times: "
                  "each answers, the model is loaded once")
      ->allow_extra_args(false);
  DescribeCompose(command, arguments.speakers)->allow_extra_args(false);
  command.add_flag("--with-base", arguments.speakers.with_base,
                   "let the model answer without adapter, too");
  command
      .add_option("--prompts", arguments.prompts,
                  "file of a prompt a line (a chat as JSON, a JSON string, or text), answered "
                  "together; default: one prompt on standard input")
      ->check(CLI::ExistingFile);
  auto* chat_template =
      command
          .add_option("--chat-template", arguments.chat_template, "file, instead of the model's")
          ->check(CLI::ExistingFile);
  command.add_flag("--raw", arguments.raw, "continue texts as they are, without a chat template")
      ->excludes(chat_template);
  command.add_option("--device", arguments.device, "cpu or cuda:N")->capture_default_str();
  command
      .add_option("--precision", arguments.precision,
                  "fp32 or bf16; default: fp32 on a CPU, bf16 on a GPU")
      ->check(CLI::IsMember({"fp32", "bf16"}));
  AddGenerationOptions(command, arguments);
  command.add_flag("--json", arguments.json, "print lines of JSON as tokens come");
}

void DescribeBench(CLI::App& command, BenchArguments& arguments) {
  command.add_option("--device", arguments.device, "cpu or cuda:N");
  command.add_option("--seconds", arguments.seconds, "for each precision")
      ->check(CLI::Range(0.05, 60.0));
  command.add_option("--model", arguments.model, "measure training steps of this model, too");
  command.add_flag("--json", arguments.json, "print one JSON object");
}

void DescribeBenchStep(CLI::App& command, BenchStepArguments& arguments) {
  const auto count = CLI::Range(1, 1 << 20);
  command.add_option("SHAPE", arguments.shape, "folder with a config.json, or a GGUF file")
      ->required();
  command.add_option("--device", arguments.device, "cpu or cuda:N");
  command.add_option("--precision", arguments.precision)
      ->check(CLI::IsMember({"fp32", "bf16", "fp16"}));
  command.add_option("--quantization", arguments.quantization, "of the frozen weights")
      ->check(CLI::IsMember({"none", "nf4", "fp4", "int8"}));
  command.add_option("--rank", arguments.rank, "of LoRA on every linear layer")->check(count);
  command.add_option("--sequence-length", arguments.sequence_length)->check(count);
  command.add_option("--documents", arguments.documents, "packed into each sequence")->check(count);
  command.add_option("--batch-size", arguments.batch_size, "sequences")->check(count);
  command.add_option("--accumulation", arguments.accumulation)->check(count);
  command.add_option("--warmup", arguments.warmup, "steps before the measured ones");
  command.add_option("--steps", arguments.steps)->check(count);
  command.add_flag("--gradient-checkpointing", arguments.recompute);
  command.add_flag("--activation-offloading", arguments.offload);
  command.add_flag("--json", arguments.json, "print one JSON object");
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv) {
  CLI::App app("Trains adapters for language models.", "lathe-trainer");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("lathe-trainer ") + Version());
  int exit_code = 0;

  std::string plan_file;
  CLI::App* run = app.add_subcommand("run", "Train what a plan file says, or go on with it");
  run->add_option("PLAN", plan_file, "plan file (JSON)")->required();
  run->callback([&] { exit_code = RunPlanFile(plan_file); });

  GenerateArguments generate_arguments;
  CLI::App* generate = app.add_subcommand("generate", "Answer chats, with or without adapters");
  DescribeGenerate(*generate, generate_arguments);
  generate->callback([&] { exit_code = RunGenerate(generate_arguments, std::cin, std::cout); });

  LogitsArguments logits_arguments;
  CLI::App* logits = app.add_subcommand("logits", "Write the logits of given tokens");
  DescribeLogits(*logits, logits_arguments);
  logits->callback([&] { exit_code = RunLogits(logits_arguments); });

  merge::MergeOptions merge_options;
  CLI::App* merge = app.add_subcommand(
      "merge", "Write a model, with an adapter merged into it, as a folder or a GGUF file");
  merge->alias("export");
  DescribeMerge(*merge, merge_options);
  merge->callback([&] { exit_code = RunMerge(merge_options); });

  std::filesystem::path tokenize_model;
  CLI::App* tokenize =
      app.add_subcommand("tokenize", "Turn texts and chats into ids, and ids into text");
  DescribeTokenize(*tokenize, tokenize_model);
  tokenize->callback([&] { exit_code = RunTokenize(tokenize_model, std::cin, std::cout); });

  InspectArguments inspect_arguments;
  CLI::App* inspect = app.add_subcommand("inspect", "Tell what is in a model, adapter or file");
  inspect->add_option("PATH", inspect_arguments.path, "file or folder")->required();
  inspect->add_flag("--tensors", inspect_arguments.tensors, "list every tensor");
  inspect->add_flag("--json", inspect_arguments.json, "print one JSON object");
  inspect->callback([&] { exit_code = RunInspect(inspect_arguments, std::cout); });

  EstimateArguments estimate_arguments;
  CLI::App* estimate = app.add_subcommand("estimate", "Tell memory and time of a plan beforehand");
  estimate->add_option("PLAN", estimate_arguments.plan, "plan file (JSON)")->required();
  estimate->add_flag("--json", estimate_arguments.json, "print one JSON object");
  estimate->callback([&] { exit_code = RunEstimate(estimate_arguments, std::cout); });

  BenchArguments bench_arguments;
  CLI::App* bench =
      app.add_subcommand("bench", "Measure this machine: matrix products, training steps");
  DescribeBench(*bench, bench_arguments);
  bench->callback([&] { exit_code = RunBench(bench_arguments, std::cout); });

  app.add_subcommand("capabilities", "Tell which values of parameters are supported, as JSON")
      ->callback([&] { exit_code = RunCapabilities(std::cout); });

  BenchStepArguments step_arguments;
  CLI::App* bench_step =
      app.add_subcommand("bench-step", "Measure training steps with random weights of a shape");
  DescribeBenchStep(*bench_step, step_arguments);
  bench_step->callback([&] { exit_code = RunBenchStep(step_arguments, std::cout); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : trainer_protocol::kExitUsage;
  }
  return exit_code;
}

}  // namespace lathe::trainer::commands
