// Round trips of random files and random configurations: what goes in comes back, or is listed.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/schema/configuration.h"
#include "common/schema/dialect_tables_internal.h"
#include "common/schema/dialects.h"
#include "common/schema/diff.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/parameters.h"

namespace lathe::schema {
namespace {

using Json = nlohmann::ordered_json;

constexpr Dialect kOlder[] = {Dialect::kLegacyHyperparameters, Dialect::kSectioned,
                              Dialect::kAdapterTrainingConfig, Dialect::kSimple};

/// A word as names of modules and models are.
std::string Word() {
  return *rc::gen::nonEmpty(rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("abcdefghijklmnopqrstuvwxyzABC0123456789_-./"))));
}

/// A legal value of a parameter, or nothing for a free-form one.
std::optional<Json> Legal(const Parameter& parameter) {
  const v1::ParameterSpec& spec = *parameter.spec;
  if (parameter.map || parameter.type == ParameterType::kObject) {
    return std::nullopt;
  }
  if (spec.one_of_size() > 0) {
    return Json(
        *rc::gen::elementOf(std::vector<std::int64_t>(spec.one_of().begin(), spec.one_of().end())));
  }
  const double low = spec.has_min() ? spec.min() : 0;
  const double high = spec.has_max() ? spec.max() : low + 100000;
  switch (parameter.type) {
    case ParameterType::kBoolean:
      return Json(*rc::gen::arbitrary<bool>());
    case ParameterType::kInteger:
      return Json(
          *rc::gen::inRange(static_cast<std::int64_t>(low), static_cast<std::int64_t>(high) + 1));
    case ParameterType::kNumber:
      return Json(low + (high - low) * *rc::gen::inRange(1, 1001) / 1000);
    case ParameterType::kEnumeration:
      return parameter.repeated ? Json::array({*rc::gen::elementOf(parameter.tokens)})
                                : Json(*rc::gen::elementOf(parameter.tokens));
    default:
      return Json(Word());
  }
}

/// A legal value of a row's key.
Json LegalFor(const Row& row) {
  switch (row.conversion) {
    case Conversion::kTokens:
      return Json(std::string(
          (*rc::gen::elementOf(std::vector<TokenPair>(row.tokens.begin(), row.tokens.end())))
              .dialect));
    case Conversion::kModules:
      return Json::array({Word(), Word()});
    case Conversion::kMultiplier:
      return Json(*rc::gen::inRange(1, 100000) / 1000.0);
    case Conversion::kPrecisionFlag:
    case Conversion::kUseLora:
      return Json(*rc::gen::arbitrary<bool>());
    case Conversion::kOutput:
      return Json(*rc::gen::inRange(0, 10000) / 1024.0);
    case Conversion::kDevice:
      return Json(*rc::gen::element<std::string>("auto", "cpu", "cuda", "cuda:0", "cuda:7"));
    case Conversion::kStrategy:
      return Json(*rc::gen::element<std::string>("hybrid", "custom", "toolbench"));
    default:
      if (row.key == "tools") {
        return Json::array({{{"name", Word()}, {"parameters", {{"type", "object"}}}}});
      }
      return Legal(*FindParameter(row.path)).value();
  }
}

void Place(Json& tree, std::string_view key, Json value) {
  const std::size_t dot = key.find('.');
  Json& slot = tree[std::string(key.substr(0, dot))];
  if (dot == std::string_view::npos) {
    slot = std::move(value);
  } else {
    Place(slot, key.substr(dot + 1), std::move(value));
  }
}

/// A file without errors: some keys of the dialect, all that it requires.
Json RandomFile(Dialect dialect) {
  Json file = Json::object();
  bool flagged = false;
  bool uses_lora = false;
  for (const Row& row : RowsOf(dialect)) {
    const bool needed = row.required || (uses_lora && row.path == "method.loraConfig.rank");
    if (!needed && !*rc::gen::arbitrary<bool>()) {
      continue;
    }
    Json value = LegalFor(row);
    if (row.conversion == Conversion::kPrecisionFlag && value == true) {
      value = !flagged;  // one of the flags at most
      flagged = true;
    }
    uses_lora = uses_lora || (row.conversion == Conversion::kUseLora && value == true);
    Place(file, row.key, std::move(value));
  }
  return file;
}

RC_GTEST_PROP(DialectPropertyTest, AFileComesBackWithTheSameMeaning, ()) {
  for (const Dialect dialect : kOlder) {
    const std::string text = RandomFile(dialect).dump();
    RC_LOG() << text;
    const Imported imported = Import(text, dialect);
    RC_ASSERT(!HasErrors(imported.findings));
    const Exported exported = Export(imported.configuration, dialect);
    RC_ASSERT(exported.losses.empty());
    RC_LOG() << exported.text;
    const Imported again = Import(exported.text, dialect);
    RC_ASSERT(!HasErrors(again.findings));
    RC_ASSERT(ToJson(again.configuration) == ToJson(imported.configuration));
  }
}

/// Keys whose value is taken as it is are found again as they were.
RC_GTEST_PROP(DialectPropertyTest, PlainKeysComeBackAsTheyWere, ()) {
  for (const Dialect dialect : kOlder) {
    const Json file = RandomFile(dialect);
    const Json again =
        Json::parse(Export(Import(file.dump(), dialect).configuration, dialect).text).flatten();
    for (const Row& row : RowsOf(dialect)) {
      std::string pointer = "/" + std::string(row.key);
      std::replace(pointer.begin(), pointer.end(), '.', '/');
      const Json::json_pointer place(pointer);
      const bool plain = row.conversion == Conversion::kSame ||
                         row.conversion == Conversion::kSameOrAuto ||
                         row.conversion == Conversion::kMultiplier;
      if (plain && row.key != "tools" && file.contains(place) && file.at(place).is_primitive()) {
        RC_LOG() << row.key;
        RC_ASSERT(again.at(pointer) == file.at(place));
      }
    }
  }
}

/// A file with a key that only its dialect has is recognised; the more of them, the surer.
RC_GTEST_PROP(DialectPropertyTest, AFileIsRecognised, ()) {
  for (const Dialect dialect : kOlder) {
    Json file = RandomFile(dialect);
    for (const Row& row : RowsOf(dialect)) {
      const bool own = std::none_of(std::begin(kOlder), std::end(kOlder), [&](Dialect other) {
        return other != dialect && FindRow(other, row.key) != nullptr;
      });
      if (own && FindParameter(row.key) == nullptr &&
          row.conversion != Conversion::kPrecisionFlag) {
        Place(file, row.key, LegalFor(row));
      }
    }
    RC_LOG() << file.dump();
    RC_ASSERT(Import(file.dump()).dialect == dialect);
  }
}

v1::JobConfiguration RandomConfiguration() {
  v1::JobConfiguration configuration;
  for (const AccessibleParameter& accessible : AccessibleParameters()) {
    if (*rc::gen::inRange(0, 3) == 0) {
      if (const auto value = Legal(*accessible.parameter)) {
        RC_ASSERT(Set(configuration, accessible.parameter->path + "=" + value->dump()).has_value());
      }
    }
  }
  return configuration;
}

RC_GTEST_PROP(DialectPropertyTest, WhatIsNotListedIsReadBack, ()) {
  const v1::JobConfiguration given = RandomConfiguration();
  RC_LOG() << ToJson(given);
  for (const Dialect dialect : kDialects) {
    const Exported exported = Export(given, dialect);
    const Imported again = Import(exported.text, dialect);
    const v1::JobConfiguration resolved = Resolve(again.configuration);
    for (const Difference& value : Compare(given, resolved)) {
      if (value.a.empty() || FindParameter(value.path)->spec->secret()) {
        continue;  // filled in, or never written
      }
      const bool listed = std::any_of(exported.losses.begin(), exported.losses.end(),
                                      [&](const Finding& loss) { return loss.path == value.path; });
      RC_LOG() << ToString(dialect) << " " << value.path << " " << value.a << " " << value.b;
      RC_ASSERT(listed);
    }
  }
}

/// Nothing is listed that is read back.
RC_GTEST_PROP(DialectPropertyTest, WhatIsListedIsNotReadBack, ()) {
  const v1::JobConfiguration given = RandomConfiguration();
  for (const Dialect dialect : kDialects) {
    const Exported exported = Export(given, dialect);
    const v1::JobConfiguration again = Import(exported.text, dialect).configuration;
    const auto differences = Compare(Resolve(given), Resolve(again));
    for (const Finding& loss : exported.losses) {
      RC_ASSERT(std::any_of(differences.begin(), differences.end(),
                            [&](const Difference& each) { return each.path == loss.path; }));
    }
  }
}

}  // namespace
}  // namespace lathe::schema
