#pragma once
// lathe config schema, templates, validate, convert, diff: what needs no coordinator, unless asked
// for what only it knows.

#include <string>
#include <vector>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct ConfigValidateOptions {
  std::string file;              ///< "-" is standard input
  std::string from;              ///< dialect; empty: told by its shape
  std::vector<std::string> set;  ///< PATH=VALUE, above the file
  std::string
      provider;  ///< engine whose limits count too, as the coordinator knows it; empty: none
  bool explain = false;  ///< also every value that a job would get, and where it comes from
};
/// All findings at once; kInvalid when one of them is an error. The coordinator is asked only with
/// a provider. Whether data is stored is checked by `lathe submit --dry-run`.
Outcome RunConfigValidate(Context& context, const ConfigValidateOptions& options);

struct ConfigSchemaOptions {
  bool markdown = false;
};
/// Every parameter: a table, JSON Schema with JSON and YAML, or the reference document.
Outcome RunConfigSchema(Context& context, const ConfigSchemaOptions& options);

struct ConfigTemplatesOptions {
  std::string name;  ///< empty: a list of all
};
/// One template is printed as a configuration file, ready to be edited.
Outcome RunConfigTemplates(Context& context, const ConfigTemplatesOptions& options);

struct ConfigConvertOptions {
  std::string file;
  std::string from;
  std::string to;
};
/// The file in another dialect on standard output; what it can't hold on standard error.
Outcome RunConfigConvert(Context& context, const ConfigConvertOptions& options);

struct ConfigDiffOptions {
  std::string left;  ///< as ReadAnyConfiguration takes it
  std::string right;
  bool all = false;  ///< also what is equal
};
/// The coordinator is asked only where a side is a saved configuration.
Outcome RunConfigDiff(Context& context, const ConfigDiffOptions& options);

}  // namespace lathe::cli
