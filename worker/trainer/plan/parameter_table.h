#pragma once
// The schema of the job configuration as a table, for a program without protobuf: what each
// parameter may be and its default. Generated from the proto options; see parameter_table.inc.

#include <cstdint>
#include <limits>
#include <string_view>

namespace lathe::trainer::plan {

enum class ParameterType : std::uint8_t {
  kInteger,
  kNumber,
  kBoolean,
  kString,
  kEnumeration,
  kObject,
  kSet,
  kList,
  kTexts,
  kNumbers,
  kIntegerMap,
  kNumberMap,
};

struct Parameter {
  std::string_view path;
  ParameterType type;
  std::string_view default_json;
  double min;
  double max;
  bool exclusive_min;
  std::string_view depends_on;
  std::string_view tokens;
};

inline constexpr double kUnbounded = std::numeric_limits<double>::infinity();

inline constexpr Parameter kParameters[] = {
#define LATHE_PARAMETER(path, type, default_json, min, max, exclusive_min, depends_on, tokens) \
  {path, ParameterType::type, default_json, min, max, exclusive_min, depends_on, tokens},
#include "worker/trainer/plan/parameter_table.inc"
};

/// nullptr when there is none of that path.
const Parameter* FindParameter(std::string_view path);

/// Whether the number is finite and within min and max.
bool InRange(const Parameter& parameter, double value);

}  // namespace lathe::trainer::plan
