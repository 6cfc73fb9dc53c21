#pragma once
// lathe config: the job configuration's description and check, without a coordinator.

#include <string>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct ConfigValidateOptions {
  std::string file;  ///< "-" is standard input
};
/// All findings at once; kInvalid when one of them is an error. What only the cluster knows
/// (models, stored datasets) is checked by `lathe submit --dry-run`.
Outcome RunConfigValidate(Context& context, const ConfigValidateOptions& options);

/// Every parameter: a table, or JSON Schema with JSON and YAML.
Outcome RunConfigSchema(Context& context);

}  // namespace lathe::cli
