#pragma once
// The steps from version to version as a table, so that a test can bring its own.

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace lathe::schema {

using StoredTree = nlohmann::ordered_json;

/// Rewrites a configuration of version `from` as one of version `from + 1`. The tree is an object;
/// what an older program let through may still be odd.
struct Migration {
  int from = 0;
  std::function<void(StoredTree&)> apply;
};

/// Every step, one for each version before kSchemaVersion, in order.
std::span<const Migration> Migrations();

/// The text after all steps from `version` on; unchanged when there is none.
Result<std::string> Migrate(std::string_view json, int version, std::span<const Migration> steps);

}  // namespace lathe::schema
