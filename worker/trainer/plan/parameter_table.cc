#include "worker/trainer/plan/parameter_table.h"

#include <algorithm>
#include <cmath>

namespace lathe::trainer::plan {

const Parameter* FindParameter(std::string_view path) {
  const auto found = std::find_if(std::begin(kParameters), std::end(kParameters),
                                  [&](const Parameter& p) { return p.path == path; });
  return found == std::end(kParameters) ? nullptr : found;
}

bool InRange(const Parameter& parameter, double value) {
  if (!std::isfinite(value)) return false;
  return (parameter.exclusive_min ? value > parameter.min : value >= parameter.min) &&
         value <= parameter.max;
}

}  // namespace lathe::trainer::plan
