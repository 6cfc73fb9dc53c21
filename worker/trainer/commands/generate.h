#pragma once
// `lathe-trainer generate MODEL`: a chat on standard input, the answer on standard output as it
// comes.

#include <filesystem>
#include <optional>
#include <string>

namespace lathe::trainer::commands {

struct GenerateArguments {
  std::filesystem::path model;
  std::optional<std::filesystem::path> adapter;
  std::string device = "cpu";
  std::string precision;  ///< "fp32", "bf16", or empty: fp32 on a CPU, bf16 on a GPU
  std::int64_t max_tokens = 256;
  double temperature = 0;
  double top_p = 1;
  std::uint64_t seed = 42;
  bool json = false;  ///< lines of JSON instead of text; errors too
};

/// Reads {"messages": [...]} or plain text (one user message). Returns an exit code.
int RunGenerate(const GenerateArguments& arguments);

}  // namespace lathe::trainer::commands
