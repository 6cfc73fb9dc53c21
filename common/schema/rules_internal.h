#pragma once
// What belongs together: the rules that look at more than one parameter. Each is a small function
// in rules.cc; CheckRules runs them all.

#include <vector>

#include "common/schema/configuration.h"

namespace lathe::schema {

struct RuleInput {
  const v1::JobConfiguration& given;
  const v1::JobConfiguration& resolved;  ///< Resolve(given)
};

void CheckRules(const RuleInput& input, std::vector<Finding>& findings);

}  // namespace lathe::schema
