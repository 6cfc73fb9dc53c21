#pragma once
// The schema's defaults as constants, for initial values of settings: read from the generated table
// while compiling, so that a number stands in the schema alone. Header-only, standard library only.

#include <cstdint>
#include <string_view>

#include "worker/trainer/plan/parameter_table.h"

namespace lathe::trainer::plan {

/// A JSON number. Its digits and its power of ten are exact, so that one division or product rounds
/// once and gives what the shortest spelling stands for (Clinger 1990, the fast path).
consteval double NumberOf(std::string_view json) {
  std::int64_t digits = 0;
  int scale = 0;
  std::size_t i = 0;
  for (bool fraction = false; i < json.size() && json[i] != 'e'; ++i) {
    if (json[i] == '.') {
      fraction = true;
      continue;
    }
    if (json[i] < '0' || json[i] > '9' || digits > (std::int64_t{1} << 49)) {
      throw "not a short positive number";  // ends the compilation
    }
    digits = digits * 10 + (json[i] - '0');
    scale -= fraction ? 1 : 0;
  }
  const char sign = i + 1 < json.size() ? json[i + 1] : '0';
  const bool down = sign == '-';
  int exponent = 0;
  for (i += down || sign == '+' ? 2 : 1; i < json.size(); ++i)
    exponent = exponent * 10 + (json[i] - '0');
  scale += down ? -exponent : exponent;
  if (scale < -22 || scale > 22) throw "a power of ten that no double holds exactly";
  double power = 1;
  for (int k = 0; k < (scale < 0 ? -scale : scale); ++k) power *= 10;
  return scale < 0 ? static_cast<double>(digits) / power : static_cast<double>(digits) * power;
}

consteval const Parameter& ParameterWithDefault(std::string_view path) {
  for (const Parameter& parameter : kParameters) {
    if (parameter.path == path && !parameter.default_json.empty()) return parameter;
  }
  throw "no parameter with a default has this path";
}

consteval double DefaultNumber(std::string_view path) {
  return NumberOf(ParameterWithDefault(path).default_json);
}

consteval std::int64_t DefaultInteger(std::string_view path) {
  if (ParameterWithDefault(path).type != ParameterType::kInteger) throw "not an integer";
  return static_cast<std::int64_t>(DefaultNumber(path));
}

consteval bool DefaultFlag(std::string_view path) {
  if (ParameterWithDefault(path).type != ParameterType::kBoolean) throw "not a boolean";
  return ParameterWithDefault(path).default_json == "true";
}

}  // namespace lathe::trainer::plan
