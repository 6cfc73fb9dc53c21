#pragma once
// lathe submit: a configuration file, datasets and overrides become a job.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct SubmitOptions {
  std::string file;           ///< YAML or JSON; "-" is standard input
  std::string template_name;  ///< instead of a file
  std::string saved;          ///< instead of a file: NAME or OWNER/NAME
  std::string source_job;     ///< instead of a file: a job whose configuration is taken again
  std::string provider;       ///< the engine; empty: this cluster
  std::filesystem::path dataset;
  std::filesystem::path validation;
  std::string init_from;  ///< an adapter's folder, or the id of a job that has one
  std::string name;
  std::int32_t priority = 0;
  std::vector<std::string> set;  ///< path=value, applied in order
  std::string request_id;        ///< empty: a fresh one
  bool watch = false;
  bool dry_run = false;
  bool estimate_only = false;  ///< a dry run that prints the estimate alone
};

/// One of file, template, saved configuration and source job is set. Everything that can be checked
/// here is checked before a byte is sent; datasets are sent only when the coordinator lacks them. A
/// lost answer is asked for again under the same request id.
Outcome RunSubmit(Context& context, const SubmitOptions& options);

}  // namespace lathe::cli
