#include "coordinator/api/configuration_service.h"

#include <iterator>
#include <utility>

#include "common/rpc/status.h"
#include "common/schema/configuration.h"
#include "common/schema/diff.h"
#include "common/schema/export.h"
#include "common/schema/parameters.h"
#include "common/schema/templates.h"
#include "coordinator/access/caller_of.h"
#include "coordinator/api/configuration_input.h"
#include "coordinator/api/job_engine.h"
#include "coordinator/api/trainer_facts.h"

namespace lathe::api {
namespace {

/// The answer of a call that fills a response or fails.
template <class Message>
grpc::Status Reply(Result<Message> result, Message* response) {
  if (!result) return rpc::ToStatus(result.error());
  *response = std::move(*result);
  return grpc::Status::OK;
}

void AddFindings(const std::vector<Finding>& findings,
                 google::protobuf::RepeatedPtrField<v1::Finding>& out) {
  for (const Finding& finding : findings) *out.Add() = rpc::ToProto(finding);
}

v1::ConfigurationTemplate ToProto(const schema::Template& from) {
  v1::ConfigurationTemplate out;
  out.set_name(from.name);
  out.set_title(from.title);
  out.set_description(from.description);
  *out.mutable_configuration() = from.configuration;
  return out;
}

Result<v1::ConvertConfigurationResponse> Convert(const v1::ConvertConfigurationRequest& request) {
  LATHE_ASSIGN_OR_RETURN(const auto target,
                         ReadDialect(request.target_dialect(), "target_dialect"));
  LATHE_ASSIGN_OR_RETURN(const schema::Imported read, ReadInput(request.input()));
  if (HasErrors(read.findings)) {
    return Failure(
        Error{ErrorCode::kInvalidArgument, "the configuration cannot be read", read.findings});
  }
  const schema::Exported written = schema::Export(read.configuration, target);
  v1::ConvertConfigurationResponse response;
  response.set_text(written.text);
  AddFindings(read.findings, *response.mutable_losses());
  AddFindings(written.losses, *response.mutable_losses());
  response.set_source_dialect(std::string(schema::ToString(read.dialect)));
  return response;
}

/// A configuration that was given as a message or as input: one of the two.
Result<schema::Imported> ReadContent(const v1::SavedConfiguration& saved, bool has_input,
                                     const v1::ConfigurationInput& input) {
  if (has_input && saved.has_configuration()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "only one of saved_configuration.configuration and input may be set.");
  }
  if (has_input) return ReadInput(input);
  return schema::Imported{schema::Dialect::kUniversal, saved.configuration(), {}};
}

template <class Request>
Result<resources::SaveRequest> ToSave(const Request& request) {
  resources::SaveRequest save;
  save.fields = request.saved_configuration();
  LATHE_ASSIGN_OR_RETURN(save.content, ReadContent(request.saved_configuration(),
                                                   request.has_input(), request.input()));
  save.require_valid = request.require_valid();
  save.validate_only = request.validate_only();
  save.request_id = request.request_id();
  return save;
}

}  // namespace

std::vector<Finding> ConfigurationService::CheckForEngine(
    const std::string& id, const v1::JobConfiguration& configuration,
    const std::vector<Finding>& earlier) const {
  EngineChoice choice = ChooseEngine(id, &context_.engines);
  std::vector<Finding> findings = std::move(choice.findings);
  // What is asked is whether the configuration is right; that the engine can't be used at the
  // moment is worth a word.
  for (Finding& finding : findings) finding.severity = Severity::kWarning;
  std::vector<Finding> more;
  const v1::JobConfiguration resolved = schema::Resolve(configuration);
  if (choice.is_service()) {
    more = CheckForService(*choice.engine, {configuration, resolved}, earlier);
  } else {
    const auto nodes = context_.view.Nodes();
    more = CheckForCluster({configuration, resolved}, *nodes,
                           providers::MakeClusterEngines(TrainersOf(context_, *nodes)), earlier);
  }
  findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  return findings;
}

Result<v1::ValidateConfigurationResponse> ConfigurationService::Validate(
    const v1::ValidateConfigurationRequest& request) const {
  LATHE_ASSIGN_OR_RETURN(auto below, ReadTemplate(request.template_()));
  schema::Imported read{schema::Dialect::kUniversal, {}, {}};
  // A template alone is something to check too.
  if (request.has_input() || request.template_().empty()) {
    LATHE_ASSIGN_OR_RETURN(read, ReadInput(request.input()));
  }
  LayeredConfiguration layers =
      Layer(std::move(below), std::move(read.configuration), request.set());
  read.configuration = layers.together;
  read.findings.insert(read.findings.end(), layers.findings.begin(), layers.findings.end());
  std::vector<Finding> findings = schema::AllFindings(read);
  if (!request.provider().empty()) {
    LATHE_RETURN_IF_ERROR(providers::FindEngine(request.provider()));
    auto more = CheckForEngine(request.provider(), read.configuration, findings);
    findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
  }
  v1::ValidateConfigurationResponse response;
  response.set_valid(!HasErrors(findings));
  AddFindings(findings, *response.mutable_findings());
  response.set_dialect(std::string(schema::ToString(read.dialect)));
  *response.mutable_configuration() = schema::Redacted(layers.together);
  if (response.valid()) {
    for (auto& value : ExplainValues(layers)) *response.add_values() = std::move(value);
  }
  return response;
}

grpc::Status ConfigurationService::GetSchema(grpc::ServerContext*, const v1::GetSchemaRequest*,
                                             v1::GetSchemaResponse* response) {
  response->set_schema_version(schema::kSchemaVersion);
  response->set_json_schema(schema::ExportJsonSchema());
  response->set_descriptors(schema::ExportDescriptors());
  return grpc::Status::OK;
}

grpc::Status ConfigurationService::ValidateConfiguration(
    grpc::ServerContext*, const v1::ValidateConfigurationRequest* request,
    v1::ValidateConfigurationResponse* response) {
  return Reply(Validate(*request), response);
}

grpc::Status ConfigurationService::ConvertConfiguration(
    grpc::ServerContext*, const v1::ConvertConfigurationRequest* request,
    v1::ConvertConfigurationResponse* response) {
  return Reply(Convert(*request), response);
}

grpc::Status ConfigurationService::CompareConfigurations(
    grpc::ServerContext* call, const v1::CompareConfigurationsRequest* request,
    v1::CompareConfigurationsResponse* response) {
  const auto left = Read(*call, request->left(), "left");
  if (!left) return rpc::ToStatus(left.error());
  const auto right = Read(*call, request->right(), "right");
  if (!right) return rpc::ToStatus(right.error());
  for (const auto& each : schema::Compare(*left, *right, !request->include_equal())) {
    v1::ConfigurationDifference& out = *response->add_differences();
    out.set_path(each.path);
    if (!each.a.empty()) out.set_left(each.a);
    if (!each.b.empty()) out.set_right(each.b);
    out.set_equal(each.equal && !each.not_compared);
    out.set_not_compared(each.not_compared);
  }
  return grpc::Status::OK;
}

Result<v1::JobConfiguration> ConfigurationService::Read(const grpc::ServerContext& call,
                                                        const v1::ConfigurationReference& reference,
                                                        const std::string& path) {
  if (reference.has_saved()) {
    LATHE_ASSIGN_OR_RETURN(const auto caller, access::NamedCallerOf(call));
    LATHE_ASSIGN_OR_RETURN(auto saved, library_.Get(caller, reference.saved()));
    return std::move(*saved.mutable_configuration());
  }
  if (!reference.template_().empty()) return ReadTemplate(reference.template_());
  LATHE_ASSIGN_OR_RETURN(schema::Imported read, ReadInput(reference.input()));
  if (HasErrors(read.findings)) {
    return Failure(Error{ErrorCode::kInvalidArgument, "the " + path + " side cannot be read",
                         std::move(read.findings)});
  }
  return std::move(read.configuration);
}

grpc::Status ConfigurationService::ListTemplates(grpc::ServerContext*,
                                                 const v1::ListTemplatesRequest*,
                                                 v1::ListTemplatesResponse* response) {
  for (const schema::Template& each : schema::BuiltinTemplates()) {
    *response->add_templates() = ToProto(each);
  }
  return grpc::Status::OK;
}

grpc::Status ConfigurationService::GetTemplate(grpc::ServerContext*,
                                               const v1::GetTemplateRequest* request,
                                               v1::ConfigurationTemplate* response) {
  const auto known = ReadTemplate(request->name());
  if (!known) return rpc::ToStatus(known.error());
  if (request->name().empty()) {
    return rpc::ToStatus({ErrorCode::kInvalidArgument, "name must be given.", {}});
  }
  *response = ToProto(*schema::FindTemplate(request->name()));
  return grpc::Status::OK;
}

grpc::Status ConfigurationService::CreateSavedConfiguration(
    grpc::ServerContext* call, const v1::CreateSavedConfigurationRequest* request,
    v1::SavedConfiguration* response) {
  const auto caller = access::NamedCallerOf(*call);
  if (!caller) return rpc::ToStatus(caller.error());
  auto save = ToSave(*request);
  if (!save) return rpc::ToStatus(save.error());
  return Reply(library_.Create(*caller, std::move(*save)), response);
}

grpc::Status ConfigurationService::GetSavedConfiguration(
    grpc::ServerContext* call, const v1::GetSavedConfigurationRequest* request,
    v1::SavedConfiguration* response) {
  const auto caller = access::NamedCallerOf(*call);
  if (!caller) return rpc::ToStatus(caller.error());
  return Reply(library_.Get(*caller, request->id()), response);
}

grpc::Status ConfigurationService::ListSavedConfigurations(
    grpc::ServerContext* call, const v1::ListSavedConfigurationsRequest* request,
    v1::ListSavedConfigurationsResponse* response) {
  const auto caller = access::NamedCallerOf(*call);
  if (!caller) return rpc::ToStatus(caller.error());
  return Reply(library_.List(*caller, *request), response);
}

grpc::Status ConfigurationService::UpdateSavedConfiguration(
    grpc::ServerContext* call, const v1::UpdateSavedConfigurationRequest* request,
    v1::SavedConfiguration* response) {
  const auto caller = access::NamedCallerOf(*call);
  if (!caller) return rpc::ToStatus(caller.error());
  auto save = ToSave(*request);
  if (!save) return rpc::ToStatus(save.error());
  return Reply(library_.Update(*caller, std::move(*save)), response);
}

grpc::Status ConfigurationService::DeleteSavedConfiguration(
    grpc::ServerContext* call, const v1::DeleteSavedConfigurationRequest* request,
    google::protobuf::Empty*) {
  const auto caller = access::NamedCallerOf(*call);
  if (!caller) return rpc::ToStatus(caller.error());
  const Status deleted = library_.Delete(*caller, *request);
  return deleted ? grpc::Status::OK : rpc::ToStatus(deleted.error());
}

grpc::Status ConfigurationService::CopySavedConfiguration(
    grpc::ServerContext* call, const v1::CopySavedConfigurationRequest* request,
    v1::SavedConfiguration* response) {
  const auto caller = access::NamedCallerOf(*call);
  if (!caller) return rpc::ToStatus(caller.error());
  return Reply(library_.Copy(*caller, *request), response);
}

}  // namespace lathe::api
