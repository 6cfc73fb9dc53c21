#include "coordinator/resources/configuration_checks.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "common/rpc/status.h"
#include "common/schema/configuration.h"
#include "common/schema/parameters.h"
#include "common/schema/suggest.h"
#include "common/schema/templates.h"

namespace lathe::resources {
namespace {

constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxDescription = 4096;

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

bool IsName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxName && name.front() != ' ' && name.back() != ' ' &&
         std::none_of(name.begin(), name.end(), [](char c) { return IsControl(c) || c == '/'; });
}

Finding Wrong(const char* path, const char* code, std::string message, std::string given,
              std::string expected) {
  return {path,
          Severity::kError,
          code,
          std::move(message),
          '"' + std::move(given) + '"',
          std::move(expected)};
}

Finding UnknownTemplate(const std::string& name) {
  std::vector<std::string> names;
  for (const schema::Template& each : schema::BuiltinTemplates()) names.push_back(each.name);
  return Wrong("template", "unknown_template",
               "There is no template of this name" + schema::DidYouMean(name, names) + ".", name,
               "a name that ListTemplates gives, or empty");
}

/// "lora" of METHOD_TYPE_LORA.
std::string MethodToken(v1::MethodType method) {
  std::string token = v1::MethodType_Name(method).substr(std::string("METHOD_TYPE_").size());
  std::transform(token.begin(), token.end(), token.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return token;
}

bool IsMissingTrainingData(const Finding& finding) {
  return finding.path == "datasets.trainingFileId" && finding.code == "required";
}

}  // namespace

std::vector<Finding> CheckFields(const v1::SavedConfiguration& saved,
                                 const domain::Caller& caller) {
  std::vector<Finding> findings;
  if (!IsName(saved.name())) {
    findings.push_back(Wrong("name", "invalid_value",
                             "A name has 1 to 128 bytes, no / and no control characters, and does "
                             "not begin or end with a space.",
                             saved.name().substr(0, kMaxName), "1 to 128 bytes without /"));
  }
  if (saved.description().size() > kMaxDescription) {
    findings.push_back(Wrong("description", "too_long", "A description has at most 4096 bytes.",
                             saved.description().substr(0, 40) + "...", "at most 4096 bytes"));
  }
  if (!saved.template_().empty() && schema::FindTemplate(saved.template_()) == nullptr) {
    findings.push_back(UnknownTemplate(saved.template_()));
  }
  if (!saved.project().empty() && !caller.IsMember(saved.project())) {
    findings.push_back(Wrong("project", "not_a_member",
                             "A configuration can be shared only with a project of one's own.",
                             saved.project(), "default, or empty"));
  }
  return findings;
}

std::vector<Finding> CheckConfiguration(const schema::Imported& read) {
  std::vector<Finding> findings = schema::AllFindings(read);
  std::erase_if(findings, &IsMissingTrainingData);
  return findings;
}

void PutConfiguration(const schema::Imported& read, const std::vector<Finding>& findings,
                      v1::SavedConfiguration& saved) {
  const auto errors = std::count_if(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.severity == Severity::kError;
  });
  *saved.mutable_configuration() = read.configuration;
  saved.clear_findings();
  for (const Finding& finding : findings) *saved.add_findings() = rpc::ToProto(finding);
  saved.set_error_count(static_cast<std::uint32_t>(errors));
  saved.set_warning_count(static_cast<std::uint32_t>(findings.size()) - saved.error_count());
  saved.set_validated(errors == 0);
  saved.set_schema_version(schema::kSchemaVersion);
  saved.set_base_model(read.configuration.model().base_model());
  saved.set_method(MethodToken(schema::Resolve(read.configuration).method().type()));
}

}  // namespace lathe::resources
