#include "worker/trainer/plan/configuration.h"

#include "common/base/check.h"
#include "worker/trainer/plan/parameter_table.h"
#include "worker/trainer/plan/value_check.h"

namespace lathe::trainer::plan {
namespace {

using Json = nlohmann::json;

bool IsSection(const std::string& path) {
  const std::string prefix = path + ".";
  for (const Parameter& parameter : kParameters) {
    if (parameter.path.starts_with(prefix)) return true;
  }
  return false;
}

class Walker {
 public:
  Walker(std::map<std::string, Json>& values, std::vector<Finding>& findings)
      : values_(values), findings_(findings) {}

  void Walk(const std::string& prefix, const Json& object) {
    for (const auto& [key, value] : object.items()) {
      const std::string path = prefix.empty() ? key : prefix + "." + key;
      if (value.is_null()) continue;  // JSON's way to leave something out.
      if (const Parameter* parameter = FindParameter(path)) {
        if (CheckValue(*parameter, value, findings_)) values_[path] = value;
      } else if (!IsSection(path)) {
        Find(path, "unknown_key", "there is no such parameter", value, ClosestPath(path));
      } else if (!value.is_object()) {
        Find(path, "wrong_type", "this is a section of parameters", value, "an object");
      } else {
        Walk(path, value);
      }
    }
  }

 private:
  void Find(const std::string& path, std::string code, std::string message, const Json& given,
            std::string expected) {
    findings_.push_back({.path = "configuration." + path,
                         .code = std::move(code),
                         .message = std::move(message),
                         .given = given.dump(),
                         .expected = std::move(expected)});
  }

  std::map<std::string, Json>& values_;
  std::vector<Finding>& findings_;
};

}  // namespace

Configuration Configuration::Parse(const Json& object, std::vector<Finding>& findings) {
  Configuration configuration;
  for (const Parameter& parameter : kParameters) {
    if (parameter.default_json.empty()) continue;
    configuration.defaults_[std::string(parameter.path)] = Json::parse(parameter.default_json);
  }
  Walker(configuration.given_, findings).Walk("", object);
  return configuration;
}

bool Configuration::IsGivenAsDefault(const std::string& path) const {
  const auto given = given_.find(path);
  const auto fallback = defaults_.find(path);
  return given != given_.end() && fallback != defaults_.end() && given->second == fallback->second;
}

const Json* Configuration::Find(const std::string& path) const {
  LATHE_CHECK(FindParameter(path) != nullptr, path);
  if (const auto found = given_.find(path); found != given_.end()) return &found->second;
  const auto fallback = defaults_.find(path);
  return fallback == defaults_.end() ? nullptr : &fallback->second;
}

std::int64_t Configuration::Integer(const std::string& path) const {
  return Find(path)->get<std::int64_t>();
}
double Configuration::Number(const std::string& path) const {
  return Find(path)->get<double>();
}
bool Configuration::Flag(const std::string& path) const {
  return Find(path)->get<bool>();
}
std::string Configuration::Text(const std::string& path) const {
  return Find(path)->get<std::string>();
}

std::optional<std::int64_t> Configuration::OptionalInteger(const std::string& path) const {
  return Find(path) == nullptr ? std::nullopt : std::optional(Integer(path));
}
std::optional<double> Configuration::OptionalNumber(const std::string& path) const {
  return Find(path) == nullptr ? std::nullopt : std::optional(Number(path));
}
std::optional<std::string> Configuration::OptionalText(const std::string& path) const {
  return Find(path) == nullptr ? std::nullopt : std::optional(Text(path));
}

std::vector<std::string> Configuration::Tokens(const std::string& path) const {
  const Json* value = Find(path);
  return value == nullptr ? std::vector<std::string>{} : value->get<std::vector<std::string>>();
}

}  // namespace lathe::trainer::plan
