#pragma once
// lathe generate: one answer of a base model, alone, with a job's adapter or with several together.

#include <optional>
#include <string>

#include "coordinator/cli/context.h"
#include "lathe/v1/inference_service.pb.h"

namespace lathe::cli {

struct GenerateOptions {
  // One of the three.
  std::string model;
  std::string job;
  std::string composition;            ///< see ParseJobComposition
  std::optional<std::string> prompt;  ///< not set: all of standard input
  std::string system;
  v1::GenerateRequest how;  ///< how tokens are chosen, as far as it was said; nothing else of it
};

/// The text is written as it comes; with JSON or YAML as one document at the end.
Outcome RunGenerate(Context& context, const GenerateOptions& options);

}  // namespace lathe::cli
