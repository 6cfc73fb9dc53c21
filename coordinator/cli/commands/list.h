#pragma once
// lathe list: jobs, newest first.

#include <string>
#include <vector>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct ListOptions {
  std::vector<std::string> states;  ///< tokens ("running"); empty: all
  unsigned limit = 50;              ///< 0: all
};

/// The state tokens a user may name, in the order of a job's life.
std::vector<std::string> StateTokens();

Outcome RunList(Context& context, const ListOptions& options);

}  // namespace lathe::cli
