#pragma once
// Two configurations side by side. Pure and thread-safe.

#include <string>
#include <vector>

#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {

struct Difference {
  std::string path;  ///< of one value: `method.loraConfig.rankPattern.q_proj`, `tools[0].name`
  std::string a;     ///< JSON; empty: not set; a secret is redacted
  std::string b;
  bool equal = false;  ///< of the values themselves, also where both are redacted
  /// A secret that at least one of the configurations holds redacted: nobody knows whether they are
  /// equal, whatever `equal` says. Told also when only differences are asked for.
  bool not_compared = false;
};

/// Value by value in the order of the schema. Sets (`optimizations.enabled`) and lists of plain
/// values are one value each, sets in any order.
std::vector<Difference> Compare(const v1::JobConfiguration& a, const v1::JobConfiguration& b,
                                bool only_differences = true);

}  // namespace lathe::schema
