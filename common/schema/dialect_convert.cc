#include "common/schema/dialect_convert_internal.h"

#include <cmath>
#include <cstdio>

#include "common/base/check.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/read_internal.h"
#include "common/schema/reflection_internal.h"
#include "common/schema/suggest.h"
#include "common/schema/write_internal.h"

namespace lathe::schema {
namespace {

const AccessibleParameter& TargetOf(std::string_view path) {
  const AccessibleParameter* target = FindAccessible(path);
  LATHE_CHECK(target != nullptr, "a dialect's table names no parameter");
  return *target;
}

std::string Dump(const Tree& value) {
  return value.dump(-1, ' ', false, Tree::error_handler_t::replace);
}

/// As many digits as survive a division and a multiplication, so that both ways agree.
double Rounded(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.15g", value);
  return std::strtod(text, nullptr);
}

double DefaultNumber(const Row& row) {
  return std::strtod(TargetOf(row.path).parameter->spec->default_value().c_str(), nullptr);
}

/// Reads a value as the universal parameter's own; findings name the file's key.
void ReadUniversal(const Row& row, const Tree& value, ImportState& state) {
  const AccessibleParameter& target = TargetOf(row.path);
  ReadValue(value, std::string(row.key), MutableOwner(state.configuration, target.chain),
            *target.chain.back(), state.findings);
}

void Refuse(const Row& row, const char* code, std::string message, const Tree& value,
            std::string expected, ImportState& state) {
  std::string given = Dump(value).substr(0, 120);
  state.findings.push_back({std::string(row.key), Severity::kError, code, std::move(message),
                            std::move(given), std::move(expected)});
}

void ImportToken(const Row& row, const Tree& value, ImportState& state) {
  std::vector<std::string> known;
  for (const TokenPair& pair : row.tokens) {
    if (value.is_string() && value.get_ref<const std::string&>() == pair.dialect) {
      if (!pair.exact) {
        Finding finding = MakeWarning(std::string(row.key), "not_held",
                                      "there is none like it; the nearest is taken");
        finding.given = Dump(value);
        finding.expected = std::string(row.path) + " " + std::string(pair.universal);
        state.findings.push_back(std::move(finding));
      }
      return ReadUniversal(row, std::string(pair.universal), state);
    }
    known.emplace_back(pair.dialect);
  }
  std::string list;
  for (const std::string& token : known) {
    list += (list.empty() ? "one of " : ", ") + token;
  }
  const bool text = value.is_string();
  Refuse(row, text ? "unknown_token" : "wrong_type",
         text ? "not a value of this" + DidYouMean(value.get<std::string>(), known) : "not a token",
         value, list, state);
}

void ImportModules(const Row& row, const Tree& value, ImportState& state) {
  if (value.is_string()) {
    return ReadUniversal(row, value, state);
  }
  std::string names;
  bool plain = value.is_array() && !value.empty();
  for (const Tree& item : plain ? value : Tree::array()) {
    plain = plain && item.is_string() && item.get<std::string>().find(',') == std::string::npos;
    names += (names.empty() ? "" : ",") + (plain ? item.get<std::string>() : "");
  }
  if (!plain) {
    return Refuse(row, "wrong_type", "not a list of names", value,
                  "a list of names, or one text with commas", state);
  }
  ReadUniversal(row, names, state);
}

void ImportMultiplier(const Row& row, const Tree& value, ImportState& state) {
  if (!value.is_number()) {
    return Refuse(row, "wrong_type", "not a number", value, "a number, or auto", state);
  }
  const double rate = Rounded(value.get<double>() * DefaultNumber(row));
  ReadUniversal(row, rate, state);
  Finding finding = MakeWarning(std::string(row.key), "converted",
                                "taken as a multiple of the default of " + std::string(row.path) +
                                    ", " + JsonNumber(DefaultNumber(row)));
  finding.given = Dump(value);
  finding.expected = std::string(row.path) + " " + JsonNumber(rate);
  state.findings.push_back(std::move(finding));
}

/// A flag; nothing and a finding when it is none.
std::optional<bool> Flag(const Row& row, const Tree& value, ImportState& state) {
  if (!value.is_boolean()) {
    Refuse(row, "wrong_type", "not a boolean", value, "true or false", state);
    return std::nullopt;
  }
  return value.get<bool>();
}

void ImportDatasetType(const Row& row, const Tree& value, ImportState& state) {
  ReadUniversal(row, value, state);
  if (state.configuration.datasets().type() == v1::DATASET_TYPE_PREFERENCE) {
    state.configuration.mutable_objective()->set_type(v1::OBJECTIVE_TYPE_DPO);
  }
}

void ImportDevice(const Row& row, const Tree& value, ImportState& state) {
  constexpr std::string_view kCuda = "cuda:";
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  const bool numbered = text.starts_with(kCuda) && text.size() > kCuda.size() &&
                        text.find_first_not_of("0123456789", kCuda.size()) == std::string::npos;
  if (!numbered) {
    return ReadUniversal(row, value, state);
  }
  Finding finding =
      MakeWarning(std::string(row.key), "not_held", "which GPU it is, the scheduler decides");
  finding.given = Dump(value);
  finding.expected = "cuda";
  state.findings.push_back(std::move(finding));
  ReadUniversal(row, "cuda", state);
}

google::protobuf::Value& MetadataOf(v1::JobConfiguration& configuration, std::string_view key) {
  return (*configuration.mutable_metadata()->mutable_fields())[std::string(key)];
}

void ImportStrategy(const Row& row, const Tree& value, ImportState& state) {
  if (value != "hybrid") {
    const std::size_t before = state.findings.size();
    ReadUniversal(row, value, state);
    if (state.findings.size() > before) {
      state.findings.back().expected += ", hybrid";
    }
    return;
  }
  ReadUniversal(row, "custom", state);
  auto& list = *MetadataOf(state.configuration, kMixtureKey).mutable_list_value();
  list.clear_values();
  for (const std::string_view part : kHybridParts) {
    list.add_values()->set_string_value(std::string(part));
  }
}

bool IsHybrid(const v1::JobConfiguration& configuration) {
  const auto& fields = configuration.metadata().fields();
  const auto found = fields.find(std::string(kMixtureKey));
  if (configuration.datasets().strategy() != v1::DATASET_STRATEGY_CUSTOM || found == fields.end()) {
    return false;
  }
  const auto& values = found->second.list_value().values();
  return std::equal(
      values.begin(), values.end(), std::begin(kHybridParts), std::end(kHybridParts),
      [](const auto& value, std::string_view part) { return value.string_value() == part; });
}

void ImportOutput(const Row& row, const Tree& value, ImportState& state) {
  if (!value.is_number()) {
    return Refuse(row, "wrong_type", "not a number", value, "a number", state);
  }
  MetadataOf(state.configuration, row.key).set_number_value(value.get<double>());
}

std::optional<Tree> ExportOutput(const Row& row, const v1::JobConfiguration& given) {
  const auto& fields = given.metadata().fields();
  const auto found = fields.find(std::string(row.key));
  if (found == fields.end() || !found->second.has_number_value()) {
    return std::nullopt;
  }
  return Tree(found->second.number_value());
}

std::optional<Tree> ExportModules(const std::string& modules) {
  if (modules.find(',') == std::string::npos) {
    return Tree(modules);
  }
  Tree list = Tree::array();
  for (std::size_t begin = 0; begin <= modules.size();) {
    const std::size_t end = std::min(modules.find(',', begin), modules.size());
    list.push_back(modules.substr(begin, end - begin));
    begin = end + 1;
  }
  return list;
}

std::optional<Tree> ExportUseLora(const v1::JobConfiguration& given) {
  switch (given.method().type()) {
    case v1::METHOD_TYPE_LORA:
    case v1::METHOD_TYPE_QLORA:
      return Tree(true);
    case v1::METHOD_TYPE_FULL:
      return Tree(false);
    default:
      return std::nullopt;
  }
}

std::optional<Tree> ExportDatasetType(const v1::JobConfiguration& given,
                                      const v1::JobConfiguration& resolved) {
  if (resolved.objective().type() == v1::OBJECTIVE_TYPE_DPO) {
    return Tree("preference");
  }
  // Without dpo a preference type would be read back as dpo.
  return given.datasets().type() == v1::DATASET_TYPE_SUPERVISED ? std::optional<Tree>("supervised")
                                                                : std::nullopt;
}

std::optional<Tree> ExportToken(const Row& row, const Tree& universal) {
  for (const TokenPair& pair : row.tokens) {
    if (pair.exact && universal == pair.universal) {
      return Tree(std::string(pair.dialect));
    }
  }
  return std::nullopt;
}

/// What is set, or what must be written since the dialect's default is another.
std::optional<Tree> ValueToWrite(const Row& row, const v1::JobConfiguration& given,
                                 const v1::JobConfiguration& resolved) {
  std::optional<Tree> value = ValueAt(given, row.path);
  if (!value && !row.default_value.empty()) {
    value = ValueAt(resolved, row.path);
  }
  return value;
}

}  // namespace

Finding MakeWarning(std::string path, std::string code, std::string message) {
  return {std::move(path), Severity::kWarning, std::move(code), std::move(message), {}, {}};
}

std::optional<Tree> ValueAt(const v1::JobConfiguration& configuration, std::string_view path) {
  const AccessibleParameter& target = TargetOf(path);
  if (!IsSet(configuration, target.chain)) {
    return std::nullopt;
  }
  return ParseJsonTree(FieldToJson(*OwnerOf(configuration, target.chain), *target.chain.back()))
      .tree;
}

void ImportValue(const Row& row, const Tree& value, ImportState& state) {
  const bool knows_auto =
      row.conversion == Conversion::kSameOrAuto || row.conversion == Conversion::kMultiplier;
  if (knows_auto && value == "auto") {
    return;
  }
  state.given.push_back(&row);
  switch (row.conversion) {
    case Conversion::kSame:
    case Conversion::kSameOrAuto:
      return ReadUniversal(row, value, state);
    case Conversion::kTokens:
      return ImportToken(row, value, state);
    case Conversion::kModules:
      return ImportModules(row, value, state);
    case Conversion::kMultiplier:
      return ImportMultiplier(row, value, state);
    case Conversion::kPrecisionFlag:
      if (Flag(row, value, state).value_or(false)) {
        state.precision_flags.push_back(&row);
      }
      return;
    case Conversion::kUseLora:
      if (const auto use = Flag(row, value, state)) {
        ReadUniversal(row, *use ? "lora" : "full", state);
      }
      return;
    case Conversion::kDatasetType:
      return ImportDatasetType(row, value, state);
    case Conversion::kDevice:
      return ImportDevice(row, value, state);
    case Conversion::kStrategy:
      return ImportStrategy(row, value, state);
    case Conversion::kOutput:
      return ImportOutput(row, value, state);
  }
}

std::optional<Tree> ExportValue(const Row& row, const v1::JobConfiguration& given,
                                const v1::JobConfiguration& resolved) {
  switch (row.conversion) {
    case Conversion::kUseLora:
      return ExportUseLora(given);
    case Conversion::kDatasetType:
      return ExportDatasetType(given, resolved);
    case Conversion::kOutput:
      return ExportOutput(row, given);
    default:
      break;
  }
  std::optional<Tree> value = ValueToWrite(row, given, resolved);
  if (!value) {
    return std::nullopt;
  }
  switch (row.conversion) {
    case Conversion::kTokens:
      return ExportToken(row, *value);
    case Conversion::kModules:
      return ExportModules(value->get<std::string>());
    case Conversion::kMultiplier:
      return value->is_number() ? Tree(Rounded(value->get<double>() / DefaultNumber(row)))
                                : std::optional<Tree>();
    case Conversion::kPrecisionFlag:
      return *value == row.tokens[0].universal ? std::optional<Tree>(true) : std::nullopt;
    case Conversion::kStrategy:
      return IsHybrid(given) ? Tree("hybrid") : value;
    default:
      return value;
  }
}

}  // namespace lathe::schema
