#include "coordinator/api/job_convert.h"

#include <utility>

#include "common/domain/progress_message.h"
#include "common/schema/configuration.h"
#include "common/schema/migrate.h"
#include "coordinator/sessions/proto_convert.h"

namespace lathe::api {
namespace {

v1::Progress ToProto(const domain::Progress& progress) {
  v1::Progress out;
  domain::SetMeasurements(progress, out);
  if (const auto eta = domain::EtaSeconds(progress)) out.set_eta_seconds(*eta);
  out.set_fraction(domain::Fraction(progress));
  return out;
}

}  // namespace

google::protobuf::Timestamp ToTimestamp(Instant time) {
  google::protobuf::Timestamp out;
  out.set_seconds(ToMicros(time) / 1'000'000);
  out.set_nanos(static_cast<std::int32_t>(ToMicros(time) % 1'000'000 * 1000));
  return out;
}

Result<v1::Job> ToProto(const domain::Job& job, const std::string& stored) {
  auto configuration = schema::ReadStored(stored, static_cast<int>(job.spec.schema_version));
  if (configuration) return ToProto(job, std::move(*configuration));
  return Failure(configuration.error().WithContext("job " + job.id().value()));
}

v1::Job ToProto(const domain::Job& job, v1::JobConfiguration configuration) {
  v1::Job out;
  *out.mutable_configuration() = schema::Redacted(std::move(configuration));
  out.set_id(job.id().value());
  out.set_name(job.spec.name);
  out.set_state(static_cast<v1::JobState>(job.state));
  out.set_reason(domain::Sentence(job.reason));
  out.set_reason_code(std::string(domain::ToString(job.reason.code)));
  out.set_priority(job.spec.priority);
  *out.mutable_resources() = sessions::ToProto(job.spec.resources);
  out.set_attempt(job.attempt.value());
  if (job.spec.engine.empty()) {
    out.set_provider("lathe");
    out.set_node_id(job.node.value());
  } else {
    out.set_provider(job.spec.engine);
    out.set_provider_job_id(job.remote.id);
    out.set_provider_state(job.remote.state);
    out.set_provider_model(job.remote.model);
  }
  *out.mutable_create_time() = ToTimestamp(job.created);
  if (job.started) *out.mutable_start_time() = ToTimestamp(*job.started);
  if (job.ended) *out.mutable_end_time() = ToTimestamp(*job.ended);
  *out.mutable_progress() = ToProto(job.progress);
  if (!job.adapter.files.empty()) *out.mutable_adapter() = sessions::ToProto(job.adapter);
  out.set_etag(std::to_string(job.revision));
  out.set_checkpoint_step(job.checkpoint.step);
  out.set_owner(job.spec.owner);
  out.set_configuration_source(job.spec.configuration_source);
  return out;
}

v1::JobEvent ToProto(const storage::StoredEvent& event) {
  v1::JobEvent out;
  out.set_id(core::ToString(event.id));
  *out.mutable_time() = ToTimestamp(event.time);
  out.set_type(event.type);
  out.set_json(event.json);
  return out;
}

v1::Node ToProto(const runtime::NodeView& view) {
  const domain::NodeDescription& description = view.node.description;
  v1::Node out;
  out.set_id(description.id.value());
  out.set_hostname(description.hostname);
  out.set_state(static_cast<v1::NodeState>(view.node.state));
  out.set_reason(view.node.reason);
  *out.mutable_resources() = sessions::ToProto(description.resources);
  out.set_gpus_in_use(view.gpus_in_use);
  out.set_cpu_slots_in_use(view.cpu_slots_in_use);
  for (const domain::JobId& job : view.jobs) out.add_job_ids(job.value());
  for (const std::string& model : description.models) out.add_models(model);
  *out.mutable_last_heartbeat() = ToTimestamp(view.node.last_seen);
  out.set_worker_version(description.worker_version);
  return out;
}

}  // namespace lathe::api
