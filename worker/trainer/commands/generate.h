#pragma once
// `lathe-trainer generate MODEL`: a chat on standard input, the answer on standard output as it
// comes; or a file of chats, answered together, and by several adapters of one loaded model or
// compositions of them.

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "worker/trainer/commands/speaker_arguments.h"
#include "worker/trainer/plan/generation_table.h"

namespace lathe::trainer::commands {

struct GenerateArguments {
  std::filesystem::path model;
  SpeakerArguments speakers;                     ///< who answers what names nobody itself
  std::optional<std::filesystem::path> prompts;  ///< a chat a line; nullopt: one on standard input
  std::optional<std::filesystem::path> chat_template;
  bool raw = false;  ///< texts are continued as they are, without a template
  std::string device = "cpu";
  std::string precision;  ///< "fp32", "bf16", or empty: fp32 on a CPU, bf16 on a GPU
  // How tokens are chosen and when an answer ends: ranges and meaning stand in the table.
  std::int64_t max_tokens = plan::GenerationDefault("--max-tokens");
  double temperature = plan::GenerationDefault("--temperature");
  std::int64_t top_k = plan::GenerationDefault("--top-k");
  double top_p = plan::GenerationDefault("--top-p");
  double repetition_penalty = plan::GenerationDefault("--repetition-penalty");
  std::vector<std::string> stop;
  std::int64_t seed = plan::GenerationDefault("--seed");
  bool json = false;  ///< lines of JSON instead of text; errors too
};

/// Returns an exit code.
int RunGenerate(const GenerateArguments& arguments, std::istream& in, std::ostream& out);

}  // namespace lathe::trainer::commands
