#include <sstream>

#include "common/schema/export.h"
#include "common/schema/parameters.h"
#include "common/schema/reflection_internal.h"
#include "lathe/v1/inference_service.pb.h"

namespace lathe::schema {
namespace {

constexpr char kMarkdownHeader[] = R"(# The job configuration

Generated from the schema in `proto/lathe/v1`; do not edit. One configuration describes a fine-tuning
job for every engine that can run it. It is written as JSON or YAML; a parameter that is not given
has its default. A value outside its range is an error; a warning never blocks a job.

Refresh: `build/release/tools/lathe-schema-export markdown > deploy/docs/reference/job_configuration.md`
)";

constexpr char kGenerationHeader[] = R"(# How answers are generated

Generated from `lathe.v1.GenerateRequest`; do not edit. The same parameters, with the same ranges and defaults, are fields of a
call, options of `lathe generate` and options of `lathe-trainer generate`. What is not given has its default; everything outside
its range is told at once.

Refresh: `build/release/tools/lathe-schema-export generation > deploy/docs/reference/generation.md`

| option | field | range | default | |
|---|---|---|---|---|
)";

constexpr char kCompositionHeader[] = R"(
## Several adapters together

A field `composition` of a call, or `--compose`: [what the methods compute and how it is written](../trainer_commands.md#several-adapters-together).
Paths are in JSON spelling; in a file an adapter is named by `adapter`, in a call by `jobId`.

| field | range | default | |
|---|---|---|---|
)";

/// The heading of a parameter: its section's or list's name, for the few outside of them General.
std::string SectionOf(const Parameter& parameter) {
  const std::size_t end = parameter.path.find_first_of(".[");
  if (end == std::string::npos && !IsSection(*parameter.field)) {
    return "General";
  }
  return parameter.path.substr(0, end);
}

std::string CardName(v1::Card card) {
  std::string name = TokenOf(*v1::Card_descriptor(), card);
  if (!name.empty()) {
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
  }
  return name;
}

std::string DefaultText(const v1::ParameterSpec& spec) {
  if (!spec.default_rule().empty()) {
    return spec.default_rule();
  }
  return spec.default_value().empty() ? "none" : "`" + spec.default_value() + "`";
}

void WriteFacts(const Parameter& parameter, std::ostream& out) {
  const v1::ParameterSpec& spec = *parameter.spec;
  out << "- Type: " << TypeName(parameter);
  for (std::size_t i = 0; i < parameter.tokens.size(); ++i) {
    out << (i == 0 ? ": `" : ", `") << parameter.tokens[i] << "`";
  }
  out << (spec.unit().empty() ? "" : "; unit: " + spec.unit()) << "\n";
  if (const std::string range = RangeText(spec); !range.empty()) {
    out << "- Range: " << range << "\n";
  }
  out << "- Default: " << (spec.required() ? "required" : DefaultText(spec)) << "\n";
  if (!parameter.depends_on.empty()) {
    out << "- Applies when: `" << parameter.depends_on << "`\n";
  }
  if (spec.has_warn_above()) {
    out << "- Warning above " << JsonNumber(spec.warn_above()) << ": " << spec.warning() << "\n";
  }
  if (spec.has_warn_below()) {
    out << "- Warning below " << JsonNumber(spec.warn_below()) << ": " << spec.warning() << "\n";
  }
  if (!spec.warn_value().empty()) {
    out << "- Warning with `" << spec.warn_value() << "`: " << spec.warning() << "\n";
  }
  if (spec.secret()) {
    out << "- Secret: write-only\n";
  }
  out << "- Card: " << CardName(spec.card())
      << (spec.tier() == v1::TIER_ADVANCED ? ", advanced" : ", basic") << "\n";
}

/// The values of a token, or the limits.
std::string ValuesText(const Parameter& parameter) {
  std::string text;
  for (const std::string& token : parameter.tokens) {
    text += (text.empty() ? "" : ", ") + token;
  }
  return text.empty() ? LimitsText(*parameter.spec) : text;
}

void WriteComposition(const google::protobuf::FieldDescriptor& field, std::ostream& out) {
  out << kCompositionHeader;
  for (const Parameter& parameter : ParametersIn(field)) {
    const v1::ParameterSpec& spec = *parameter.spec;
    out << "| `" << parameter.path << "` | " << ValuesText(parameter) << " | "
        << (spec.required() ? "required" : DefaultText(spec)) << " | " << spec.help() << " |\n";
  }
}

}  // namespace

std::string ExportMarkdown() {
  std::ostringstream out;
  out << kMarkdownHeader;
  std::string section;
  for (const Parameter& parameter : ParameterPaths()) {
    if (std::string its_section = SectionOf(parameter); its_section != section) {
      out << "\n## " << its_section << "\n";
      section = std::move(its_section);
    }
    out << "\n### `" << parameter.path << "`\n\n**" << parameter.spec->label() << ".** "
        << parameter.spec->help() << "\n\n";
    WriteFacts(parameter, out);
  }
  return out.str();
}

std::string ExportGenerationMarkdown() {
  std::ostringstream out;
  out << kGenerationHeader;
  for (const Parameter& parameter : ParametersOf(*v1::GenerateRequest::descriptor())) {
    if (IsSection(*parameter.field)) {
      continue;
    }
    const v1::ParameterSpec& spec = *parameter.spec;
    out << "| `" << OptionName(parameter) << "` | `" << parameter.field->name() << "` | "
        << LimitsText(spec) << " | " << DefaultText(spec) << " | " << spec.help() << " |\n";
  }
  WriteComposition(*v1::GenerateRequest::descriptor()->FindFieldByName("composition"), out);
  return out.str();
}

}  // namespace lathe::schema
