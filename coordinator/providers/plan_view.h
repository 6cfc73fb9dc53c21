#pragma once
// A configuration as trees of JSON, given and resolved, for looking parameters up by path. A value;
// thread-safe to read.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/providers/engine.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::providers {

class PlanView {
 public:
  explicit PlanView(const v1::JobConfiguration& configuration);

  /// Paths of all parameters that are set, in the order of the schema; metadata is not among them.
  const std::vector<std::string>& set_paths() const { return set_paths_; }
  bool IsSet(std::string_view path) const;
  /// As it was given; null when it was not.
  const Json* Given(std::string_view path) const { return Find(given_, path); }
  /// With defaults; null when there is none.
  const Json* Resolved(std::string_view path) const { return Find(resolved_, path); }
  /// `metadata.<engine>`, or null.
  const Json* Custom(std::string_view engine) const;
  bool Holds(const Conditions& conditions) const;
  const Json& resolved() const { return resolved_; }

 private:
  static const Json* Find(const Json& tree, std::string_view path);

  Json given_;
  Json resolved_;
  std::vector<std::string> set_paths_;
};

/// Whether a row of the body applies, custom parameters aside.
bool Applies(const Row& row, const PlanView& view);

}  // namespace lathe::providers
