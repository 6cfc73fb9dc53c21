#include "common/schema/migrate.h"

#include <utility>

#include "common/schema/configuration.h"
#include "common/schema/migrate_internal.h"
#include "common/schema/parameters.h"

namespace lathe::schema {
namespace {

constexpr char kDamaged[] = "a stored configuration cannot be read";

}  // namespace

std::span<const Migration> Migrations() {
  // The first version is the present one: there is no step yet.
  return {};
}

Result<std::string> Migrate(std::string_view json, int version, std::span<const Migration> steps) {
  if (steps.empty() || version > steps.back().from) return std::string(json);
  StoredTree tree = StoredTree::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!tree.is_object()) return Failure(ErrorCode::kDataLoss, kDamaged);
  try {
    for (const Migration& step : steps) {
      if (step.from >= version) step.apply(tree);
    }
    return tree.dump();
  } catch (const nlohmann::json::exception& error) {
    return Failure(ErrorCode::kDataLoss, std::string(kDamaged) + ": " + error.what());
  }
}

Result<v1::JobConfiguration> ReadStored(std::string_view json, int version) {
  if (version > kSchemaVersion) {
    return Failure(ErrorCode::kFailedPrecondition,
                   "a configuration is stored in schema version " + std::to_string(version) +
                       "; this program knows versions up to " + std::to_string(kSchemaVersion) +
                       ": run the newer program");
  }
  LATHE_ASSIGN_OR_RETURN(const std::string text, Migrate(json, version, Migrations()));
  Parsed parsed = FromJson(text);
  if (HasErrors(parsed.findings)) {
    return Failure(Error{ErrorCode::kDataLoss, kDamaged, std::move(parsed.findings)});
  }
  return std::move(parsed.configuration);
}

}  // namespace lathe::schema
