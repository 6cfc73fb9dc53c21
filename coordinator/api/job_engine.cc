#include "coordinator/api/job_engine.h"

#include <algorithm>
#include <utility>

#include "coordinator/providers/capabilities.h"
#include "coordinator/providers/check.h"

namespace lathe::api {
namespace {

constexpr char kPath[] = "provider";
constexpr char kCannotStart[] = "cannot_start";

Finding Wrong(const char* code, std::string message, const std::string& given) {
  return {kPath,
          Severity::kError,
          code,
          std::move(message),
          '"' + given + '"',
          "an engine that ListProviders shows as able to start jobs"};
}

}  // namespace

EngineChoice ChooseEngine(const std::string& id, const providers::Settings* settings) {
  EngineChoice choice;
  const auto found = providers::FindEngine(id.empty() ? providers::Engines().front().id : id);
  if (!found) {
    choice.findings.push_back(Wrong("unknown_provider", found.error().message, id));
    return choice;
  }
  choice.engine = *found;
  if (!choice.is_service()) return choice;
  const providers::Access access =
      providers::AccessOf(settings == nullptr ? providers::Settings() : *settings, *choice.engine);
  const auto capabilities =
      providers::DescribeCapabilities(*choice.engine, {.has_key = !access.api_key.empty()});
  if (!capabilities.can_start) {
    choice.findings.push_back(Wrong(kCannotStart, capabilities.reason, id));
  }
  return choice;
}

std::vector<Finding> CheckForService(const providers::Engine& engine,
                                     const v1::JobConfiguration& configuration,
                                     const std::vector<Finding>& earlier) {
  std::vector<Finding> findings = providers::CheckEngine(engine, configuration);
  std::erase_if(findings, [&](const Finding& finding) {
    // Whether it can start is an error here and said by ChooseEngine.
    if (finding.code == kCannotStart) return true;
    return std::any_of(earlier.begin(), earlier.end(), [&](const Finding& said) {
      return said.path == finding.path && said.severity <= finding.severity;
    });
  });
  return findings;
}

}  // namespace lathe::api
