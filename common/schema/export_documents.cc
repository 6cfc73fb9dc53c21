#include "common/schema/export_documents.h"

#include <sstream>

#include "common/schema/configuration.h"
#include "common/schema/dialect_tables_internal.h"
#include "common/schema/diff.h"
#include "common/schema/parameters.h"
#include "common/schema/reflection_internal.h"
#include "common/schema/templates.h"

namespace lathe::schema {
namespace {

constexpr char kDialectsHeader[] = R"(# The older dialects

Generated from the tables of `common/schema`; do not edit. Files in these dialects, JSON or YAML, are recognised by the keys
that they have (or named), read into the universal configuration, and written from it. Ranges are those of the parameter,
and so are defaults where none is given here. What cannot be held is listed with code `not_held`, never dropped in silence.

Refresh: `build/release/tools/lathe-schema-export dialects > deploy/docs/reference/dialects.md`
)";

constexpr char kTemplatesHeader[] = R"(# Templates and profiles

Generated from the files of `common/schema`; do not edit. A template is a configuration to start from; it names no training
data. A profile is what a guided form fills in for a method over the schema's defaults.

Refresh: `build/release/tools/lathe-schema-export templates > deploy/docs/reference/templates.md`
)";

std::string Quoted(std::string_view text) {
  return "`" + std::string(text) + "`";
}

/// `float16` is `fp16`, ...: pairs that differ; those that are only near are said to be so.
std::string TokensText(const Row& row) {
  std::string text;
  for (const TokenPair& pair : row.tokens) {
    if (pair.dialect != pair.universal) {
      text += (text.empty() ? "" : ", ") + Quoted(pair.dialect) +
              (pair.exact ? " is " : " becomes ") + Quoted(pair.universal);
    }
  }
  return text;
}

std::string ConversionText(const Row& row) {
  switch (row.conversion) {
    case Conversion::kSame:
      return "";
    case Conversion::kSameOrAuto:
      return "`auto` is not set";
    case Conversion::kTokens:
      return TokensText(row);
    case Conversion::kModules:
      return "a list of names, or one text with commas";
    case Conversion::kMultiplier:
      return "a multiple of the parameter's default; `auto` is not set";
    case Conversion::kPrecisionFlag:
      return "true is " + Quoted(row.tokens[0].universal) + ", over any dtype; one flag at most";
    case Conversion::kUseLora:
      return "true is `lora` and needs a rank; false is `full`";
    case Conversion::kDatasetType:
      return "`preference` also means objective.type `dpo`";
    case Conversion::kDevice:
      return "`cuda:0` is `cuda`: which GPU it is, the scheduler decides";
    case Conversion::kStrategy:
      return "`hybrid` is `custom`, its parts in `metadata." + std::string(kMixtureKey) + "`";
    case Conversion::kOutput:
      return "an outcome of a run, kept under its name";
  }
  return "";
}

std::string NotesOf(const Row& row) {
  std::string notes = ConversionText(row);
  const auto add = [&notes](const std::string& note) {
    notes += (notes.empty() ? "" : "; ") + note;
  };
  if (!row.default_value.empty()) {
    add("default " + Quoted(row.default_value));
  }
  if (row.required) {
    add("required");
  }
  return notes;
}

void WriteValues(const v1::JobConfiguration& configuration, std::ostream& out) {
  for (const Difference& value : Compare(configuration, {})) {
    out << "| " << value.path << " | " << Quoted(value.a) << " |\n";
  }
}

}  // namespace

std::string ExportDialectsMarkdown() {
  std::ostringstream out;
  out << kDialectsHeader;
  for (const Dialect dialect : kDialects) {
    if (RowsOf(dialect).empty()) {
      continue;
    }
    out << "\n## " << ToString(dialect) << "\n\n| key | parameter | conversion |\n|---|---|---|\n";
    for (const Row& row : RowsOf(dialect)) {
      out << "| " << row.key << " | " << row.path << " | " << NotesOf(row) << " |\n";
    }
  }
  return out.str();
}

std::string ExportTemplatesMarkdown() {
  std::ostringstream out;
  out << kTemplatesHeader;
  for (const Template& each : BuiltinTemplates()) {
    out << "\n## " << each.name << ": " << each.title << "\n\n"
        << each.description << "\n\n| parameter | value |\n|---|---|\n";
    WriteValues(each.configuration, out);
  }
  out << "\n## Profiles of the methods\n\n| parameter | value |\n|---|---|\n";
  for (const std::string& method : TokensOf(*v1::MethodType_descriptor())) {
    const int number = *NumberOfToken(*v1::MethodType_descriptor(), method);
    v1::JobConfiguration profile = MethodProfile(static_cast<v1::MethodType>(number));
    if (profile.ByteSizeLong() > 0) {
      profile.mutable_method()->set_type(static_cast<v1::MethodType>(number));
      WriteValues(profile, out);
    }
  }
  return out.str();
}

}  // namespace lathe::schema
