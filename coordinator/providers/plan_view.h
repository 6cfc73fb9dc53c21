#pragma once
// A configuration, given and resolved, for looking parameters up by path as JSON. A value;
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
  PlanView(v1::JobConfiguration given, v1::JobConfiguration resolved);

  /// Paths of all parameters that are set, in the order of the schema; metadata is not among them.
  const std::vector<std::string>& set_paths() const { return set_paths_; }
  bool IsSet(std::string_view path) const;
  /// As it was given; nothing when it was not.
  std::optional<Json> Given(std::string_view path) const;
  /// With defaults; nothing when there is none.
  std::optional<Json> Resolved(std::string_view path) const;
  /// `metadata.<engine>`, if it is set.
  std::optional<Json> Custom(std::string_view engine) const;
  bool Holds(const Conditions& conditions) const;

 private:
  v1::JobConfiguration given_;
  v1::JobConfiguration resolved_;
  std::vector<std::string> set_paths_;
};

/// Whether a row of the body applies, custom parameters aside.
bool Applies(const Row& row, const PlanView& view);

}  // namespace lathe::providers
