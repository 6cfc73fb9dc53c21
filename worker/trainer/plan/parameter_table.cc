#include "worker/trainer/plan/parameter_table.h"

#include <algorithm>
#include <limits>

namespace lathe::trainer::plan {
namespace {

constexpr double kUnbounded = std::numeric_limits<double>::infinity();
using enum ParameterType;

constexpr Parameter kParameters[] = {
#define LATHE_PARAMETER(path, type, default_json, min, max, exclusive_min, depends_on, tokens) \
  {path, type, default_json, min, max, exclusive_min, depends_on, tokens},
#include "worker/trainer/plan/parameter_table.inc"
};

}  // namespace

std::span<const Parameter> Parameters() {
  return kParameters;
}

const Parameter* FindParameter(std::string_view path) {
  const auto found = std::find_if(std::begin(kParameters), std::end(kParameters),
                                  [&](const Parameter& p) { return p.path == path; });
  return found == std::end(kParameters) ? nullptr : found;
}

}  // namespace lathe::trainer::plan
