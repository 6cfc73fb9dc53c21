#pragma once
// lathe generate: one answer of a base model, alone or with a job's adapter.

#include <optional>
#include <string>

#include "coordinator/cli/context.h"
#include "lathe/v1/inference_service.pb.h"

namespace lathe::cli {

struct GenerateOptions {
  std::string model;  ///< this or `job`
  std::string job;
  std::optional<std::string> prompt;  ///< not set: all of standard input
  std::string system;
  v1::GenerateRequest how;  ///< how tokens are chosen, as far as it was said; nothing else of it
};

/// The text is written as it comes; with JSON or YAML as one document at the end.
Outcome RunGenerate(Context& context, const GenerateOptions& options);

}  // namespace lathe::cli
