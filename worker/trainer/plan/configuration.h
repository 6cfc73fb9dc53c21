#pragma once
// A job configuration as JSON, checked against the parameter table and completed with its defaults.

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"

namespace lathe::trainer::plan {

/// Values by path ("method.loraConfig.rank"): what was given, and the defaults.
class Configuration {
 public:
  /// Checks every key, type, token and range; everything that is wrong is added to findings, with
  /// paths below "configuration.".
  static Configuration Parse(const nlohmann::json& object, std::vector<Finding>& findings);

  /// Whether the configuration itself has the path, as opposed to a default.
  bool IsGiven(const std::string& path) const { return given_.contains(path); }
  /// Whether it is given as the table has it anyway.
  bool IsGivenAsDefault(const std::string& path) const;
  /// nullptr when it is neither given nor has a default. Only for paths of the table.
  const nlohmann::json* Find(const std::string& path) const;

  /// Of values that are known to be there: given, or with a default in the table.
  std::int64_t Integer(const std::string& path) const;
  double Number(const std::string& path) const;
  bool Flag(const std::string& path) const;
  std::string Text(const std::string& path) const;
  std::optional<std::int64_t> OptionalInteger(const std::string& path) const;
  std::optional<double> OptionalNumber(const std::string& path) const;
  std::optional<std::string> OptionalText(const std::string& path) const;
  /// The tokens of a set; empty when it is not given.
  std::vector<std::string> Tokens(const std::string& path) const;

  const std::map<std::string, nlohmann::json>& given() const { return given_; }

 private:
  std::map<std::string, nlohmann::json> given_;
  std::map<std::string, nlohmann::json> defaults_;
};

}  // namespace lathe::trainer::plan
