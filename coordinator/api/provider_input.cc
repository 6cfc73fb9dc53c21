#include "coordinator/api/provider_input.h"

#include <utility>
#include <vector>

#include "common/rpc/status.h"
#include "coordinator/providers/check.h"

namespace lathe::api {

Result<schema::Parsed> ReadEither(const v1::JobConfiguration* message, const std::string& json) {
  if ((message != nullptr) != json.empty()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "exactly one of configuration and configuration_json must be set");
  }
  if (message == nullptr) return schema::FromJson(json);
  schema::Parsed parsed;
  parsed.configuration = *message;
  return parsed;
}

Status CheckFor(const providers::Engine& engine, const schema::Parsed& parsed,
                google::protobuf::RepeatedPtrField<v1::Finding>& warnings) {
  std::vector<Finding> findings = schema::AllFindings(parsed);
  for (Finding& finding : providers::CheckEngine(engine, parsed.configuration)) {
    findings.push_back(std::move(finding));
  }
  if (HasErrors(findings)) {
    return Failure(Error{ErrorCode::kInvalidArgument,
                         "the configuration cannot go to " + engine.title, std::move(findings)});
  }
  for (const Finding& finding : findings) *warnings.Add() = rpc::ToProto(finding);
  return {};
}

}  // namespace lathe::api
