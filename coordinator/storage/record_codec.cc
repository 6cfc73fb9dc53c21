#include "coordinator/storage/record_codec.h"

#include <utility>

#include "common/domain/progress_message.h"
#include "lathe/v1/record.pb.h"

namespace lathe::storage {
namespace {

constexpr std::uint32_t kVersion = 2;

/// An older program would give a job of an engine to the cluster's own nodes.
std::uint32_t VersionFor(const std::string& engine) {
  return engine.empty() ? 1 : kVersion;
}

// ---- parts ----

void Encode(const domain::Blob& blob, v1::Blob& out) {
  out.set_sha256(blob.sha256);
  out.set_size_bytes(blob.size_bytes);
}

domain::Blob Decode(const v1::Blob& in) {
  return {in.sha256(), in.size_bytes()};
}

void Encode(const domain::Manifest& manifest, v1::Manifest& out) {
  for (const auto& file : manifest.files) {
    v1::Manifest::File& added = *out.add_files();
    added.set_path(file.path);
    Encode(file.blob, *added.mutable_blob());
  }
}

domain::Manifest Decode(const v1::Manifest& in) {
  domain::Manifest manifest;
  for (const auto& file : in.files()) manifest.files.push_back({file.path(), Decode(file.blob())});
  return manifest;
}

void Encode(const domain::ResourceRequest& request, v1::ResourceRequest& out) {
  out.set_gpus(request.gpus);
  out.set_cpu_slots(request.cpu_slots);
  out.set_gpu_type(request.gpu_type);
  out.set_min_gpu_memory_bytes(request.min_gpu_memory_bytes);
}

domain::ResourceRequest Decode(const v1::ResourceRequest& in) {
  return {in.gpus(), in.cpu_slots(), in.gpu_type(), in.min_gpu_memory_bytes()};
}

void Encode(const domain::NodeResources& resources, v1::NodeResources& out) {
  for (const domain::Gpu& gpu : resources.gpus) {
    v1::Gpu& added = *out.add_gpus();
    added.set_index(gpu.index);
    added.set_uuid(gpu.uuid);
    added.set_name(gpu.name);
    added.set_memory_bytes(gpu.memory_bytes);
  }
  out.set_cpu_slots(resources.cpu_slots);
  out.set_cpu_cores(resources.cpu_cores);
  out.set_memory_bytes(resources.memory_bytes);
  out.set_cuda(resources.cuda);
}

domain::NodeResources Decode(const v1::NodeResources& in) {
  domain::NodeResources resources;
  for (const v1::Gpu& gpu : in.gpus()) {
    resources.gpus.push_back({gpu.index(), gpu.uuid(), gpu.name(), gpu.memory_bytes()});
  }
  resources.cpu_slots = in.cpu_slots();
  resources.cpu_cores = in.cpu_cores();
  resources.memory_bytes = in.memory_bytes();
  resources.cuda = in.cuda();
  return resources;
}

void Encode(const domain::RemoteJob& remote, v1::RemoteJobRecord& out) {
  out.set_start_sent(remote.start_sent);
  out.set_id(remote.id);
  out.set_state(remote.state);
  out.set_model(remote.model);
}

domain::RemoteJob Decode(const v1::RemoteJobRecord& in) {
  return {in.start_sent(), in.id(), in.state(), in.model()};
}

void Encode(const domain::Progress& progress, v1::ProgressRecord& out) {
  domain::SetMeasurements(progress, out);
  if (progress.pace_since) out.set_pace_since(ToMicros(*progress.pace_since));
  out.set_pace_step(progress.pace_step);
  out.set_last_step_time(ToMicros(progress.last_step_time));
}

domain::Progress Decode(const v1::ProgressRecord& in) {
  domain::Progress progress;
  progress.step = in.step();
  progress.total_steps = in.total_steps();
  progress.epoch = in.epoch();
  if (in.has_loss()) progress.loss = in.loss();
  if (in.has_token_accuracy()) progress.token_accuracy = in.token_accuracy();
  if (in.has_evaluation_loss()) progress.evaluation_loss = in.evaluation_loss();
  if (in.has_evaluation_perplexity()) {
    progress.evaluation_perplexity = in.evaluation_perplexity();
  }
  if (in.has_evaluation_tool_accuracy()) {
    progress.evaluation_tool_accuracy = in.evaluation_tool_accuracy();
  }
  if (in.has_evaluation_response_quality()) {
    progress.evaluation_response_quality = in.evaluation_response_quality();
  }
  progress.tokens_per_second = in.tokens_per_second();
  progress.phase = in.phase();
  if (in.has_pace_since()) progress.pace_since = FromMicros(in.pace_since());
  progress.pace_step = in.pace_step();
  progress.last_step_time = FromMicros(in.last_step_time());
  return progress;
}

// ---- a job's halves ----

void EncodeSpec(const domain::JobSpec& spec, v1::JobRecord& out) {
  out.set_id(spec.id.value());
  out.set_name(spec.name);
  out.set_owner(spec.owner);
  out.set_priority(spec.priority);
  Encode(spec.resources, *out.mutable_resources());
  out.set_request_id(spec.request_id);
  out.set_payload_hash(spec.payload_hash);
  out.set_configuration_hash(spec.configuration_hash);
  // Not set is 1: records from before the version was kept.
  if (spec.schema_version != 1) out.set_schema_version(spec.schema_version);
  out.set_configuration_source(spec.configuration_source);
  out.set_engine(spec.engine);
  out.set_base_model(spec.base_model);
  out.mutable_required_features()->Assign(spec.required_features.begin(),
                                          spec.required_features.end());
  Encode(spec.train, *out.mutable_train());
  if (spec.validation) Encode(*spec.validation, *out.mutable_validation());
  if (!spec.init_adapter.files.empty()) Encode(spec.init_adapter, *out.mutable_init_adapter());
}

domain::JobSpec DecodeSpec(const v1::JobRecord& in) {
  domain::JobSpec spec;
  spec.id = domain::JobId(in.id());
  spec.name = in.name();
  spec.owner = in.owner();
  spec.priority = in.priority();
  spec.resources = Decode(in.resources());
  spec.request_id = in.request_id();
  spec.payload_hash = in.payload_hash();
  spec.configuration_hash = in.configuration_hash();
  spec.schema_version = in.schema_version() == 0 ? 1 : in.schema_version();
  spec.configuration_source = in.configuration_source();
  spec.engine = in.engine();
  spec.base_model = in.base_model();
  spec.required_features.assign(in.required_features().begin(), in.required_features().end());
  spec.train = Decode(in.train());
  if (in.has_validation()) spec.validation = Decode(in.validation());
  spec.init_adapter = Decode(in.init_adapter());
  return spec;
}

void EncodeProgressMade(const domain::Job& job, v1::JobRecord& out) {
  Encode(job.progress, *out.mutable_progress());
  out.mutable_checkpoint()->set_step(job.checkpoint.step);
  Encode(job.checkpoint.files, *out.mutable_checkpoint()->mutable_files());
  Encode(job.adapter, *out.mutable_adapter());
  if (job.remote != domain::RemoteJob{}) Encode(job.remote, *out.mutable_remote());
}

void DecodeProgressMade(const v1::JobRecord& in, domain::Job& job) {
  job.progress = Decode(in.progress());
  job.checkpoint = {in.checkpoint().step(), Decode(in.checkpoint().files())};
  job.adapter = Decode(in.adapter());
  job.remote = Decode(in.remote());
}

bool Plausible(const v1::JobRecord& in) {
  return !in.id().empty() && in.state() >= 1 &&
         in.state() <= static_cast<std::uint32_t>(domain::JobState::kCancelled);
}

template <class Record>
Status Parse(std::string_view bytes, std::string_view kind, Record& record) {
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      record.version() == 0) {
    return Failure(ErrorCode::kDataLoss, "a stored " + std::string(kind) + " record is damaged");
  }
  if (record.version() <= kVersion) return {};
  return Failure(ErrorCode::kFailedPrecondition,
                 std::string(kind) + " " + record.id() + " is stored in version " +
                     std::to_string(record.version()) + "; this program knows versions up to " +
                     std::to_string(kVersion) + ": run the newer program");
}

}  // namespace

std::string EncodeJob(const domain::Job& job) {
  v1::JobRecord out;
  out.set_version(VersionFor(job.spec.engine));
  EncodeSpec(job.spec, out);
  out.set_revision(job.revision);
  out.set_state(static_cast<std::uint32_t>(job.state));
  out.set_reason_code(static_cast<std::uint32_t>(job.reason.code));
  out.set_reason_detail(job.reason.detail);
  out.set_attempt(job.attempt.value());
  out.set_node(job.node.value());
  for (const std::uint32_t gpu : job.gpus) out.add_gpus(gpu);
  out.set_created(ToMicros(job.created));
  if (job.started) out.set_started(ToMicros(*job.started));
  if (job.ended) out.set_ended(ToMicros(*job.ended));
  EncodeProgressMade(job, out);
  out.set_cancel_requested(job.cancel_requested);
  out.set_cancel_reason(job.cancel_reason);
  out.set_faults(job.faults);
  out.set_fault_node(job.fault_node.value());
  return out.SerializeAsString();
}

Result<domain::Job> DecodeJob(std::string_view bytes) {
  v1::JobRecord in;
  LATHE_RETURN_IF_ERROR(Parse(bytes, "job", in));
  if (!Plausible(in)) return Failure(ErrorCode::kDataLoss, "job record " + in.id() + " is damaged");
  domain::Job job;
  job.spec = DecodeSpec(in);
  job.revision = in.revision();
  job.state = static_cast<domain::JobState>(in.state());
  job.reason = {static_cast<domain::ReasonCode>(in.reason_code()), in.reason_detail()};
  job.attempt = domain::AttemptNumber(in.attempt());
  job.node = domain::NodeId(in.node());
  job.gpus.assign(in.gpus().begin(), in.gpus().end());
  job.created = FromMicros(in.created());
  if (in.has_started()) job.started = FromMicros(in.started());
  if (in.has_ended()) job.ended = FromMicros(in.ended());
  DecodeProgressMade(in, job);
  job.cancel_requested = in.cancel_requested();
  job.cancel_reason = in.cancel_reason();
  job.faults = in.faults();
  job.fault_node = domain::NodeId(in.fault_node());
  return job;
}

std::string EncodeNode(const domain::Node& node) {
  v1::NodeRecord out;
  out.set_version(VersionFor(node.description.engine));
  out.set_id(node.id().value());
  out.set_hostname(node.description.hostname);
  out.set_worker_version(node.description.worker_version);
  Encode(node.description.resources, *out.mutable_resources());
  for (const std::string& model : node.description.models) out.add_models(model);
  out.set_engine(node.description.engine);
  out.set_revision(node.revision);
  out.set_state(static_cast<std::uint32_t>(node.state));
  out.set_reason(node.reason);
  out.set_last_seen(ToMicros(node.last_seen));
  return out.SerializeAsString();
}

Result<domain::Node> DecodeNode(std::string_view bytes) {
  v1::NodeRecord in;
  LATHE_RETURN_IF_ERROR(Parse(bytes, "node", in));
  domain::Node node;
  node.description.id = domain::NodeId(in.id());
  node.description.hostname = in.hostname();
  node.description.worker_version = in.worker_version();
  node.description.resources = Decode(in.resources());
  node.description.models.assign(in.models().begin(), in.models().end());
  node.description.engine = in.engine();
  node.revision = in.revision();
  node.state = static_cast<domain::NodeState>(in.state());
  node.reason = in.reason();
  node.last_seen = FromMicros(in.last_seen());
  return node;
}

}  // namespace lathe::storage
