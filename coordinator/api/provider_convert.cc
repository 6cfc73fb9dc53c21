#include "coordinator/api/provider_convert.h"

#include <vector>

#include "coordinator/api/job_convert.h"

namespace lathe::api {
namespace {

void Copy(const std::vector<std::string>& words,
          google::protobuf::RepeatedPtrField<std::string>& out) {
  for (const std::string& word : words) *out.Add() = word;
}

v1::CustomParameter ToProto(const providers::CustomParameter& parameter) {
  v1::CustomParameter out;
  out.set_name(parameter.name);
  out.set_type(parameter.type);
  out.set_description(parameter.description);
  out.set_required(parameter.required);
  if (!parameter.default_value.is_null()) out.set_default_value(parameter.default_value.dump());
  Copy(parameter.values, *out.mutable_values());
  if (parameter.min) out.set_min(*parameter.min);
  if (parameter.max) out.set_max(*parameter.max);
  return out;
}

v1::ParameterLimit ToProto(const std::string& path, const providers::Limit& limit) {
  v1::ParameterLimit out;
  out.set_path(path);
  Copy(limit.tokens, *out.mutable_tokens());
  if (limit.range.min) out.set_min(*limit.range.min);
  if (limit.range.max) out.set_max(*limit.range.max);
  out.set_exclusive_max(limit.range.exclusive_max);
  out.set_max_length(static_cast<std::uint32_t>(limit.max_length));
  return out;
}

v1::JobState ToProto(providers::RemoteState state) {
  switch (state) {
    case providers::RemoteState::kStarting:
      return v1::JOB_STATE_STARTING;
    case providers::RemoteState::kRunning:
      return v1::JOB_STATE_RUNNING;
    case providers::RemoteState::kSucceeded:
      return v1::JOB_STATE_SUCCEEDED;
    case providers::RemoteState::kFailed:
      return v1::JOB_STATE_FAILED;
    case providers::RemoteState::kCancelled:
      return v1::JOB_STATE_CANCELLED;
    case providers::RemoteState::kUnknown:
      break;
  }
  return v1::JOB_STATE_UNSPECIFIED;
}

v1::ProviderJobEvent ToProto(const providers::RemoteEvent& event) {
  v1::ProviderJobEvent out;
  if (event.time) *out.mutable_time() = ToTimestamp(*event.time);
  out.set_message(event.message);
  if (event.step) out.set_step(*event.step);
  if (event.total_steps) out.set_total_steps(*event.total_steps);
  if (event.loss) out.set_loss(*event.loss);
  if (event.evaluation_loss) out.set_evaluation_loss(*event.evaluation_loss);
  return out;
}

}  // namespace

v1::ProviderCapabilities ToProto(const providers::Engine& engine,
                                 const providers::Capabilities& capabilities) {
  v1::ProviderCapabilities out;
  out.set_id(engine.id);
  out.set_title(engine.title);
  out.set_can_start(capabilities.can_start);
  out.set_reason(capabilities.reason);
  out.set_note(engine.note);
  Copy(capabilities.methods, *out.mutable_methods());
  Copy(capabilities.objectives, *out.mutable_objectives());
  Copy(capabilities.precisions, *out.mutable_precisions());
  Copy(engine.optimizations, *out.mutable_optimizations());
  for (const auto& [path, limit] : capabilities.limits) *out.add_limits() = ToProto(path, limit);
  for (const auto& parameter : engine.custom) *out.add_custom_parameters() = ToProto(parameter);
  Copy(capabilities.unsupported, *out.mutable_unsupported());
  Copy(capabilities.required, *out.mutable_required());
  Copy(capabilities.models, *out.mutable_models());
  Copy(engine.sources, *out.mutable_sources());
  return out;
}

v1::ProviderRequest ToProto(const providers::EngineRequest& request, const std::string& base_url) {
  v1::ProviderRequest out;
  out.set_name(request.name);
  out.set_method(request.method);
  // An address that an answer gives stands alone.
  out.set_url(request.path.starts_with("/") ? base_url + request.path : request.path);
  out.mutable_headers()->insert(request.headers.begin(), request.headers.end());
  if (!request.body.is_null()) out.set_body_json(request.body.dump());
  out.mutable_form()->insert(request.form.begin(), request.form.end());
  out.set_file_part(request.file_is_body ? "body" : request.file_part);
  if (!out.file_part().empty()) out.set_file(request.file_role);
  return out;
}

v1::ProviderJob ToProto(const std::string& provider, const providers::RemoteJob& job) {
  v1::ProviderJob out;
  out.set_provider(provider);
  out.set_id(job.id);
  out.set_state(ToProto(job.state));
  out.set_provider_state(job.their_state);
  out.set_error(job.error);
  out.set_model(job.model);
  if (job.fraction) out.set_fraction(*job.fraction);
  for (const providers::RemoteEvent& event : job.events) *out.add_events() = ToProto(event);
  return out;
}

}  // namespace lathe::api
