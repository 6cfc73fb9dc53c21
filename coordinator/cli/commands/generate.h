#pragma once
// lathe generate: one answer of a base model, alone or with a job's adapter.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct GenerateOptions {
  std::string model;  ///< this or `job`
  std::string job;
  std::optional<std::string> prompt;  ///< not set: all of standard input
  std::string system;
  std::uint32_t max_tokens = 256;
  double temperature = 0.7;
  std::uint32_t top_k = 0;  ///< 0: all
  double top_p = 1;
  double repetition_penalty = 1;
  std::vector<std::string> stop;
  std::optional<std::uint64_t> seed;  ///< not set: another one each time
};

/// The text is written as it comes; with JSON or YAML as one document at the end.
Outcome RunGenerate(Context& context, const GenerateOptions& options);

}  // namespace lathe::cli
