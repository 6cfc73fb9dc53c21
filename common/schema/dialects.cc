#include "common/schema/dialects.h"

#include <algorithm>

#include "common/schema/configuration.h"
#include "common/schema/dialect_convert_internal.h"
#include "common/schema/dialect_import_internal.h"
#include "common/schema/diff.h"
#include "common/schema/parameters.h"

namespace lathe::schema {
namespace {

constexpr std::string_view kDialectTokens[] = {"universal", "legacy", "sectioned",
                                               "training_config", "simple"};

void Place(Tree& tree, std::string_view key, Tree value) {
  const std::size_t dot = key.find('.');
  Tree& slot = tree[std::string(key.substr(0, dot))];
  if (dot == std::string_view::npos) {
    slot = std::move(value);
  } else {
    Place(slot, key.substr(dot + 1), std::move(value));
  }
}

Tree WriteRows(const v1::JobConfiguration& given, Dialect dialect) {
  const v1::JobConfiguration resolved = Resolve(given);
  Tree tree = Tree::object();
  const Row* rank = nullptr;
  bool uses_lora = false;
  for (const Row& row : RowsOf(dialect)) {
    std::optional<Tree> value = ExportValue(row, given, resolved);
    if (row.conversion == Conversion::kUseLora) {
      uses_lora = value == Tree(true);
    }
    rank = row.path == "method.loraConfig.rank" ? &row : rank;
    if (uses_lora && rank == &row && !value) {
      value = ValueAt(resolved, row.path);  // use_lora needs a rank
    }
    if (value && !value->is_null()) {
      Place(tree, row.key, std::move(*value));
    }
  }
  return tree;
}

/// What the dialect's text does not give back. Values that nobody set and that only follow from
/// others are no losses of their own.
std::vector<Finding> LossesOf(const v1::JobConfiguration& given,
                              const v1::JobConfiguration& read_back, Dialect dialect) {
  std::vector<Finding> losses;
  std::vector<std::string> set;
  for (const Difference& value : Compare(given, {})) {
    set.push_back(value.path);
  }
  for (const Difference& difference : Compare(Resolve(given), Resolve(read_back))) {
    if (difference.equal) {
      continue;  // a secret that is redacted on both sides
    }
    const bool was_set = std::find(set.begin(), set.end(), difference.path) != set.end();
    if (difference.a.empty() || (difference.b.empty() && !was_set)) {
      continue;
    }
    const std::string name(ToString(dialect));
    Finding loss =
        MakeWarning(difference.path, "not_held",
                    difference.b.empty() ? "cannot be said in the dialect " + name
                                         : "the dialect " + name + " would mean another value");
    loss.given = difference.a;
    loss.expected = difference.b;
    losses.push_back(std::move(loss));
  }
  return losses;
}

const Row* RowHolding(Dialect dialect, std::string_view path) {
  for (const Row& row : RowsOf(dialect)) {
    if (row.path == path) {
      return &row;
    }
  }
  return nullptr;
}

bool HasErrorAt(const std::vector<Finding>& findings, std::string_view path) {
  return std::any_of(findings.begin(), findings.end(), [path](const Finding& finding) {
    return finding.path == path && finding.severity == Severity::kError;
  });
}

}  // namespace

std::string_view ToString(Dialect dialect) {
  return kDialectTokens[static_cast<std::size_t>(dialect)];
}

std::optional<Dialect> DialectOf(std::string_view token) {
  const auto found = std::find(std::begin(kDialectTokens), std::end(kDialectTokens), token);
  return found == std::end(kDialectTokens)
             ? std::nullopt
             : std::optional(static_cast<Dialect>(found - std::begin(kDialectTokens)));
}

std::vector<Finding> AllFindings(const Imported& imported) {
  std::vector<Finding> findings = imported.findings;
  const std::vector<Finding> all = AllFindings(Parsed{imported.configuration, imported.findings});
  for (std::size_t i = imported.findings.size(); i < all.size(); ++i) {
    const Row* row = RowHolding(imported.dialect, all[i].path);
    if (row != nullptr && all[i].code == "required" && HasErrorAt(imported.findings, row->key)) {
      continue;  // said already, at the file's key
    }
    findings.push_back(all[i]);
    if (row != nullptr) {
      findings.back().message += " (`" + std::string(row->key) + "` in this file)";
    }
  }
  return findings;
}

Exported Export(const v1::JobConfiguration& configuration, Dialect dialect) {
  if (dialect == Dialect::kUniversal) {
    const ParsedTree tree = ParseJsonTree(ToJson(configuration, Secrets::kRedact));
    return {tree.tree->dump(2) + "\n", {}};
  }
  const Tree tree = WriteRows(configuration, dialect);
  const Imported read_back = ImportTree(tree, dialect);
  return {tree.dump(2, ' ', false, Tree::error_handler_t::replace) + "\n",
          LossesOf(configuration, read_back.configuration, dialect)};
}

}  // namespace lathe::schema
