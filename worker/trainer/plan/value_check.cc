#include "worker/trainer/plan/value_check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace lathe::trainer::plan {
namespace {

using Json = nlohmann::json;

std::string Trimmed(double value) {
  const Json whole = static_cast<std::int64_t>(value);
  return static_cast<double>(whole.get<std::int64_t>()) == value ? whole.dump()
                                                                 : Json(value).dump();
}

std::string RangeText(const Parameter& p) {
  const std::string low = p.exclusive_min ? "above " : "at least ";
  std::string text;
  if (std::isfinite(p.min)) text = low + Trimmed(p.min);
  if (std::isfinite(p.max)) text += (text.empty() ? "at most " : " and at most ") + Trimmed(p.max);
  return text;
}

/// "a|alias,b" holds a, alias and b.
bool HasToken(std::string_view tokens, std::string_view token) {
  while (!tokens.empty()) {
    const std::size_t end = tokens.find_first_of("|,");
    if (tokens.substr(0, end) == token) return true;
    if (end == std::string_view::npos) return false;
    tokens.remove_prefix(end + 1);
  }
  return false;
}

/// "" or what would be right.
std::string WrongScalar(const Parameter& p, const Json& value) {
  switch (p.type) {
    case ParameterType::kBoolean:
      return value.is_boolean() ? "" : "true or false";
    case ParameterType::kString:
      return value.is_string() ? "" : "text";
    case ParameterType::kObject:
      return value.is_object() ? "" : "an object";
    case ParameterType::kList:
      return value.is_array() ? "" : "a list";
    case ParameterType::kEnumeration:
      return value.is_string() && HasToken(p.tokens, value.get<std::string>())
                 ? ""
                 : "one of " + std::string(p.tokens);
    default:
      return "";
  }
}

std::string WrongNumber(const Parameter& p, const Json& value) {
  const bool whole = p.type == ParameterType::kInteger || p.type == ParameterType::kIntegerMap;
  if (whole ? !value.is_number_integer() : !value.is_number()) {
    return (whole ? "a whole number " : "a number ") + RangeText(p);
  }
  constexpr std::uint64_t kMostInteger = std::numeric_limits<std::int64_t>::max();
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > kMostInteger) {
    return "at most " + std::to_string(kMostInteger);
  }
  if (!InRange(p, value.get<double>())) return RangeText(p);
  if (!p.tokens.empty() && !HasToken(p.tokens, value.dump())) {
    return "one of " + std::string(p.tokens);
  }
  return "";
}

std::string WrongSet(const Parameter& p, const Json& value) {
  const std::string expected = "a list of " + std::string(p.tokens);
  if (!value.is_array()) return expected;
  const bool fine = std::all_of(value.begin(), value.end(), [&](const Json& token) {
    return token.is_string() && HasToken(p.tokens, token.get<std::string>());
  });
  return fine ? "" : expected;
}

std::string WrongMap(const Parameter& p, const Json& value) {
  if (!value.is_object()) return "an object from names to numbers";
  for (const auto& item : value.items()) {
    if (const std::string wrong = WrongNumber(p, item.value()); !wrong.empty()) {
      return item.key() + ": " + wrong;
    }
  }
  return "";
}

std::string Wrong(const Parameter& p, const Json& value) {
  switch (p.type) {
    case ParameterType::kInteger:
    case ParameterType::kNumber:
      return WrongNumber(p, value);
    case ParameterType::kSet:
      return WrongSet(p, value);
    case ParameterType::kIntegerMap:
    case ParameterType::kNumberMap:
      return WrongMap(p, value);
    default:
      return WrongScalar(p, value);
  }
}

/// Levenshtein's distance.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replace, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

bool CheckValue(const Parameter& parameter, const Json& value, std::vector<Finding>& findings) {
  std::string expected = Wrong(parameter, value);
  if (expected.empty()) return true;
  findings.push_back({.path = "configuration." + std::string(parameter.path),
                      .code = value.is_number() ? "out_of_range" : "wrong_value",
                      .message = "is not " + expected,
                      .given = value.dump(),
                      .expected = expected});
  return false;
}

std::string ClosestPath(const std::string& path) {
  const Parameter* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(3, path.size() / 4);
  for (const Parameter& parameter : kParameters) {
    const std::size_t distance = Distance(path, parameter.path);
    if (distance >= best_distance) continue;
    best = &parameter;
    best_distance = distance;
  }
  return best == nullptr ? "" : "did you mean " + std::string(best->path) + "?";
}

}  // namespace lathe::trainer::plan
