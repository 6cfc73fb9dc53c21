#include "coordinator/cli/client/configuration_source.h"

#include <filesystem>
#include <iterator>

#include "common/base/file_io.h"
#include "common/schema/configuration.h"
#include "common/schema/suggest.h"
#include "common/schema/templates.h"
#include "coordinator/cli/client/coordinator_client.h"

namespace lathe::cli {
namespace {

constexpr std::string_view kFile = "file:";
constexpr std::string_view kTemplate = "template:";
constexpr std::string_view kSaved = "saved:";

Result<v1::JobConfiguration> ReadFileConfiguration(Context& context, const std::string& file) {
  LATHE_ASSIGN_OR_RETURN(schema::Imported read, ImportFile(context, file));
  if (!HasErrors(read.findings)) return std::move(read.configuration);
  return Failure(
      Error{ErrorCode::kInvalidArgument, file + " cannot be read", std::move(read.findings)});
}

Result<v1::JobConfiguration> ReadSavedConfiguration(Context& context, const std::string& name) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(auto saved, client->GetSavedConfiguration(ParseSavedName(name)));
  return std::move(*saved.mutable_configuration());
}

}  // namespace

Result<schema::Imported> ImportFile(Context& context, const std::string& file,
                                    std::optional<schema::Dialect> dialect) {
  std::string text;
  if (file == "-") {
    text.assign(std::istreambuf_iterator<char>(context.in), std::istreambuf_iterator<char>());
  } else {
    LATHE_ASSIGN_OR_RETURN(text, ReadFile(file, schema::kMaxTextBytes));
  }
  return schema::Import(text, dialect);
}

Status SetAll(const std::vector<std::string>& assignments, v1::JobConfiguration& configuration,
              std::vector<Finding>& findings) {
  for (const std::string& assignment : assignments) {
    if (Status set = schema::Set(configuration, assignment); !set) {
      if (set.error().findings.empty()) return Failure(set.error().WithContext("--set"));
      findings.insert(findings.end(), set.error().findings.begin(), set.error().findings.end());
    }
  }
  return {};
}

std::vector<std::string> DialectTokens() {
  std::vector<std::string> tokens;
  for (const schema::Dialect each : schema::kDialects) {
    tokens.emplace_back(schema::ToString(each));
  }
  return tokens;
}

Result<std::optional<schema::Dialect>> DialectOption(const std::string& token) {
  if (token.empty()) return std::optional<schema::Dialect>();
  if (const auto dialect = schema::DialectOf(token)) return dialect;
  std::string known;
  for (const std::string& each : DialectTokens()) known += (known.empty() ? "" : ", ") + each;
  return Failure(ErrorCode::kInvalidArgument, "there is no dialect '" + token + "'" +
                                                  schema::DidYouMean(token, DialectTokens()) +
                                                  "; known are " + known);
}

v1::SavedConfigurationName ParseSavedName(const std::string& text) {
  v1::SavedConfigurationName name;
  const std::size_t slash = text.find('/');
  if (slash != std::string::npos) name.set_owner(text.substr(0, slash));
  name.set_name(slash == std::string::npos ? text : text.substr(slash + 1));
  return name;
}

std::string SavedNameText(const Context& context, const v1::SavedConfiguration& saved) {
  if (saved.owner() == context.environment.user) return saved.name();
  return saved.owner() + "/" + saved.name();
}

Result<v1::JobConfiguration> ReadAnyConfiguration(Context& context, const std::string& reference) {
  const auto rest = [&](std::string_view prefix) { return reference.substr(prefix.size()); };
  if (reference.starts_with(kSaved)) return ReadSavedConfiguration(context, rest(kSaved));
  if (reference.starts_with(kFile)) return ReadFileConfiguration(context, rest(kFile));
  const bool as_template = reference.starts_with(kTemplate);
  const std::string name = as_template ? rest(kTemplate) : reference;
  std::error_code unreadable;
  if (!as_template && (reference == "-" || std::filesystem::exists(reference, unreadable))) {
    return ReadFileConfiguration(context, reference);
  }
  if (const schema::Template* found = schema::FindTemplate(name)) return found->configuration;
  if (!as_template) return ReadSavedConfiguration(context, reference);
  return Failure(ErrorCode::kNotFound,
                 "there is no template '" + name + "'; `lathe config templates` lists them");
}

}  // namespace lathe::cli
