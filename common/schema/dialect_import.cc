#include "common/schema/dialect_import_internal.h"

#include <algorithm>

#include "common/schema/configuration.h"
#include "common/schema/dialect_convert_internal.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/parameters.h"
#include "common/schema/read_internal.h"
#include "common/schema/reflection_internal.h"
#include "common/schema/suggest.h"

namespace lathe::schema {
namespace {

std::string ListOf(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "one of " : ", ") + name;
  }
  return text;
}

bool IsSectionOf(Dialect dialect, const std::string& key) {
  return std::any_of(RowsOf(dialect).begin(), RowsOf(dialect).end(),
                     [&key](const Row& row) { return row.key.starts_with(key + "."); });
}

/// The keys that may stand directly in a section (`""`: at the top).
std::vector<std::string> KeysIn(Dialect dialect, const std::string& section) {
  std::vector<std::string> keys;
  const std::string prefix = section.empty() ? "" : section + ".";
  for (const Row& row : RowsOf(dialect)) {
    if (!row.key.starts_with(prefix)) {
      continue;
    }
    const std::string_view rest = row.key.substr(prefix.size());
    std::string name(rest.substr(0, rest.find('.')));
    if (keys.empty() || keys.back() != name) {
      keys.push_back(std::move(name));
    }
  }
  return keys;
}

/// "; did you mean `x`?": a near key here, or the same key in another section, or nothing.
std::string Hint(Dialect dialect, const std::string& key, const std::vector<std::string>& legal) {
  if (std::string hint = DidYouMean(key, legal); !hint.empty()) {
    return hint;
  }
  for (const Row& row : RowsOf(dialect)) {
    const std::string_view name = row.key.substr(row.key.rfind('.') + 1);
    if (EditDistance(name, key) == 0) {
      return "; did you mean `" + std::string(row.key) + "`?";
    }
  }
  return "";
}

class Importer {
 public:
  explicit Importer(Dialect dialect) : dialect_(dialect) {}

  void Walk(const Tree& tree, const std::string& section) {
    for (const auto& [key, value] : tree.items()) {
      const std::string path = Join(section, key);
      if (const Row* row = FindRow(dialect_, path)) {
        if (!value.is_null()) {
          ImportValue(*row, value, state_);
        }
      } else if (!IsSectionOf(dialect_, path)) {
        ReportUnknown(key, path, section);
      } else if (value.is_object()) {
        Walk(value, path);
      } else if (!value.is_null()) {
        Finding finding = MakeError(path, "wrong_type", "not an object");
        finding.given = value.type_name();
        finding.expected = "an object";
        state_.findings.push_back(std::move(finding));
      }
    }
  }

  Imported Finish() {
    SettlePrecision();
    CheckRequired();
    CheckRank();
    WarnOfSinglePrecision();
    FillDialectDefaults();
    return {dialect_, std::move(state_.configuration), std::move(state_.findings)};
  }

 private:
  void ReportUnknown(const std::string& key, const std::string& path, const std::string& section) {
    const std::vector<std::string> legal = KeysIn(dialect_, section);
    Finding finding = MakeError(
        path, "unknown_key",
        "no key of the dialect " + std::string(ToString(dialect_)) + Hint(dialect_, key, legal));
    finding.expected = ListOf(legal);
    state_.findings.push_back(std::move(finding));
  }

  /// Flags say in which numbers training computes; a dtype, how weights are loaded. There is one
  /// precision for both: the flag's.
  void SettlePrecision() {
    if (state_.precision_flags.empty()) {
      return;
    }
    const Row& flag = *state_.precision_flags.front();
    if (state_.precision_flags.size() > 1) {
      Finding finding = MakeError(std::string(state_.precision_flags[1]->key), "exclusive",
                                  "given together with " + std::string(flag.key));
      finding.expected = "one of the two";
      state_.findings.push_back(std::move(finding));
      return;
    }
    const auto precision = NumberOfToken(*v1::Precision_descriptor(), flag.tokens[0].universal);
    auto& model = *state_.configuration.mutable_model();
    if (model.has_precision() && model.precision() != *precision) {
      Finding finding = MakeWarning(
          std::string(RowWith(Conversion::kTokens, flag.path)->key), "not_held",
          "weights and arithmetic have one precision here, that of " + std::string(flag.key));
      finding.given = TokenOf(*v1::Precision_descriptor(), model.precision());
      finding.expected = std::string(flag.path) + " " + std::string(flag.tokens[0].universal);
      state_.findings.push_back(std::move(finding));
    }
    model.set_precision(static_cast<v1::Precision>(*precision));
  }

  const Row* RowWith(Conversion conversion, std::string_view path) const {
    for (const Row& row : RowsOf(dialect_)) {
      if (row.conversion == conversion && row.path == path) {
        return &row;
      }
    }
    return nullptr;
  }

  bool IsGiven(const Row& row) const {
    return std::find(state_.given.begin(), state_.given.end(), &row) != state_.given.end();
  }

  void CheckRequired() {
    for (const Row& row : RowsOf(dialect_)) {
      if (row.required && !IsGiven(row)) {
        state_.findings.push_back(MakeError(std::string(row.key), "required", "must be given"));
      }
    }
  }

  /// A file that asks for LoRA says with which rank.
  void CheckRank() {
    const Row* use = RowWith(Conversion::kUseLora, "method.type");
    const Row* rank = RowWith(Conversion::kSame, "method.loraConfig.rank");
    const bool wanted = use != nullptr && IsGiven(*use) &&
                        state_.configuration.method().type() == v1::METHOD_TYPE_LORA;
    if (wanted && !IsGiven(*rank)) {
      Finding finding = MakeError(std::string(rank->key), "required",
                                  "must be given with " + std::string(use->key));
      finding.expected = RangeText(*FindParameter(rank->path)->spec);
      state_.findings.push_back(std::move(finding));
    }
  }

  void WarnOfSinglePrecision() {
    const Row* dtype = RowWith(Conversion::kTokens, "model.precision");
    const auto& model = state_.configuration.model();
    if (dtype != nullptr && model.precision() == v1::PRECISION_FP32 &&
        model.device_map() != v1::DEVICE_CHOICE_CPU) {
      Finding finding = MakeWarning(std::string(dtype->key), "much_memory",
                                    "needs twice the memory of a GPU that bfloat16 needs");
      finding.given = "\"float32\"";
      finding.expected = "\"bfloat16\"";
      state_.findings.push_back(std::move(finding));
    }
  }

  /// Where the dialect's default is another than the schema's, a file that says nothing means the
  /// dialect's.
  void FillDialectDefaults() {
    for (const Row& row : RowsOf(dialect_)) {
      if (row.default_value.empty() || IsGiven(row)) {
        continue;
      }
      const AccessibleParameter& target = *FindAccessible(row.path);
      if (Holds(Resolve(state_.configuration), target.condition)) {
        ReadDefault(row.default_value, MutableOwner(state_.configuration, target.chain),
                    *target.chain.back());
      }
    }
  }

  Dialect dialect_;
  ImportState state_;
};

/// How many keys of the file a dialect knows.
int CountKnown(const Tree& tree, Dialect dialect, const std::string& section) {
  int known = 0;
  for (const auto& [key, value] : tree.items()) {
    const std::string path = Join(section, key);
    if (dialect == Dialect::kUniversal ? FindParameter(path) != nullptr
                                       : FindRow(dialect, path) != nullptr) {
      ++known;
    } else if (value.is_object()) {
      known += CountKnown(value, dialect, path);
    }
  }
  return known;
}

struct Detected {
  Dialect dialect = Dialect::kUniversal;
  std::optional<Dialect> equal;  ///< knows as many keys of the file
};

Detected Detect(const Tree& tree) {
  Detected detected;
  int most = tree.is_object() ? CountKnown(tree, Dialect::kUniversal, "") : 0;
  for (const Dialect dialect : kDialects) {
    const int known =
        tree.is_object() && dialect != Dialect::kUniversal ? CountKnown(tree, dialect, "") : 0;
    if (known > most) {
      detected = {dialect, std::nullopt};
      most = known;
    } else if (known == most && known > 0 && detected.dialect != Dialect::kUniversal) {
      detected.equal = dialect;
    }
  }
  return detected;
}

ParsedTree ParseTree(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  const bool json = start != std::string_view::npos && (text[start] == '{' || text[start] == '[');
  return json ? ParseJsonTree(text) : ParseYamlTree(text);
}

}  // namespace

Imported ImportTree(const Tree& tree, Dialect dialect) {
  Importer importer(dialect);
  importer.Walk(tree, "");
  return importer.Finish();
}

Imported Import(std::string_view text, std::optional<Dialect> dialect) {
  ParsedTree parsed = ParseTree(text);
  if (!parsed.tree) {
    return {dialect.value_or(Dialect::kUniversal), {}, std::move(parsed.findings)};
  }
  const Detected detected = dialect ? Detected{*dialect, std::nullopt} : Detect(*parsed.tree);
  Imported imported{detected.dialect, {}, {}};
  if (detected.dialect == Dialect::kUniversal || !parsed.tree->is_object()) {
    ReadTree(*parsed.tree, imported.configuration, imported.findings);
  } else {
    imported = ImportTree(*parsed.tree, detected.dialect);
  }
  if (detected.equal) {
    Finding finding = MakeWarning("", "ambiguous_dialect", "the keys fit two dialects");
    finding.given = ToString(detected.dialect);
    finding.expected = "the dialect named, if it is " + std::string(ToString(*detected.equal));
    parsed.findings.push_back(std::move(finding));
  }
  imported.findings.insert(imported.findings.begin(), parsed.findings.begin(),
                           parsed.findings.end());
  return imported;
}

}  // namespace lathe::schema
