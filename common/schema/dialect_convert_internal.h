#pragma once
// One row of a dialect's table at work: a value of the file to the universal configuration and
// back. Pure and thread-safe.

#include <optional>
#include <string>
#include <vector>

#include "common/schema/dialect_tables_internal.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {

/// What one import collects; the rows' order in the file does not matter.
struct ImportState {
  v1::JobConfiguration configuration;
  std::vector<Finding> findings;
  std::vector<const Row*> precision_flags;  ///< those that are true
  std::vector<const Row*> given;            ///< rows whose key is in the file with a value
};

/// Converts the value of a row's key into `state`. What does not fit becomes a finding.
void ImportValue(const Row& row, const Tree& value, ImportState& state);

/// The value of a row's key, or nothing where the configuration sets none that the key can hold.
/// `resolved` is Resolve(given).
std::optional<Tree> ExportValue(const Row& row, const v1::JobConfiguration& given,
                                const v1::JobConfiguration& resolved);

/// The tree of what is set at a universal path, or nothing.
std::optional<Tree> ValueAt(const v1::JobConfiguration& configuration, std::string_view path);

/// Code `not_held` or another warning's.
Finding MakeWarning(std::string path, std::string code, std::string message);

}  // namespace lathe::schema
