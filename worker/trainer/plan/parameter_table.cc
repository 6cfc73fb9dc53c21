#include "worker/trainer/plan/parameter_table.h"

#include <algorithm>

namespace lathe::trainer::plan {

const Parameter* FindParameter(std::string_view path) {
  const auto found = std::find_if(std::begin(kParameters), std::end(kParameters),
                                  [&](const Parameter& p) { return p.path == path; });
  return found == std::end(kParameters) ? nullptr : found;
}

}  // namespace lathe::trainer::plan
