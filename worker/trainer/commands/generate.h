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

namespace lathe::trainer::commands {

struct GenerateArguments {
  std::filesystem::path model;
  SpeakerArguments speakers;                     ///< who answers what names nobody itself
  std::optional<std::filesystem::path> prompts;  ///< a chat a line; nullopt: one on standard input
  std::optional<std::filesystem::path> chat_template;
  bool raw = false;  ///< texts are continued as they are, without a template
  std::string device = "cpu";
  std::string precision;  ///< "fp32", "bf16", or empty: fp32 on a CPU, bf16 on a GPU
  std::int64_t max_tokens = 256;
  double temperature = 0;
  std::int64_t top_k = 0;  ///< 0: all
  double top_p = 1;
  double repetition_penalty = 1;
  std::vector<std::string> stop;  ///< texts that end an answer; none is empty
  std::uint64_t seed = 42;
  bool json = false;  ///< lines of JSON instead of text; errors too
};

/// Returns an exit code.
int RunGenerate(const GenerateArguments& arguments, std::istream& in, std::ostream& out);

}  // namespace lathe::trainer::commands
