#include "coordinator/sessions/proto_convert.h"

#include <algorithm>
#include <utility>

#include "common/artifacts/manifest.h"
#include "common/rpc/status.h"
#include "common/schema/configuration.h"
#include "common/schema/migrate.h"
#include "common/secrets/sealed_configuration.h"

namespace lathe::sessions {
namespace {

constexpr std::size_t kMaxNodeId = 128;
constexpr int kMaxModels = 10'000;

bool IsNodeId(std::string_view id) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !id.empty() && id.size() <= kMaxNodeId && id.find_first_not_of(kAllowed) == id.npos;
}

domain::Manifest FromProto(const v1::Manifest& manifest) {
  domain::Manifest out;
  for (const auto& file : manifest.files()) {
    out.files.push_back({file.path(), {file.blob().sha256(), file.blob().size_bytes()}});
  }
  return out;
}

v1::Blob ToProto(const domain::Blob& blob) {
  v1::Blob out;
  out.set_sha256(blob.sha256);
  out.set_size_bytes(blob.size_bytes);
  return out;
}

std::uint32_t CpuThreads(const domain::JobSpec& spec, const domain::NodeResources& node) {
  const std::uint32_t slots = std::max(1U, spec.resources.cpu_slots);
  return std::max(1U, slots * node.cpu_cores / std::max(1U, node.cpu_slots));
}

}  // namespace

v1::Manifest ToProto(const domain::Manifest& manifest) {
  v1::Manifest out;
  for (const auto& file : manifest.files) {
    auto* added = out.add_files();
    added->set_path(file.path);
    *added->mutable_blob() = ToProto(file.blob);
  }
  return out;
}

v1::NodeResources ToProto(const domain::NodeResources& resources) {
  v1::NodeResources out;
  for (const domain::Gpu& gpu : resources.gpus) {
    auto* added = out.add_gpus();
    added->set_index(gpu.index);
    added->set_uuid(gpu.uuid);
    added->set_name(gpu.name);
    added->set_memory_bytes(gpu.memory_bytes);
  }
  out.set_cpu_slots(resources.cpu_slots);
  out.set_cpu_cores(resources.cpu_cores);
  out.set_memory_bytes(resources.memory_bytes);
  out.set_cuda(resources.cuda);
  return out;
}

v1::ResourceRequest ToProto(const domain::ResourceRequest& request) {
  v1::ResourceRequest out;
  out.set_gpus(request.gpus);
  out.set_cpu_slots(request.cpu_slots);
  out.set_gpu_type(request.gpu_type);
  out.set_min_gpu_memory_bytes(request.min_gpu_memory_bytes);
  return out;
}

Result<domain::NodeDescription> ToDescription(const v1::Registration& registration) {
  if (!IsNodeId(registration.node_id())) {
    return Failure(ErrorCode::kInvalidArgument,
                   "node id \"" + registration.node_id() +
                       "\" must be 1 to 128 letters, digits, '.', '_' or '-'.");
  }
  if (registration.models_size() > kMaxModels) {
    return Failure(ErrorCode::kInvalidArgument, "a node may register at most 10000 models.");
  }
  domain::NodeDescription out;
  out.id = domain::NodeId(registration.node_id());
  out.hostname = registration.hostname();
  out.worker_version = registration.worker_version();
  for (const auto& gpu : registration.resources().gpus()) {
    out.resources.gpus.push_back({gpu.index(), gpu.uuid(), gpu.name(), gpu.memory_bytes()});
  }
  out.resources.cpu_slots = registration.resources().cpu_slots();
  out.resources.cpu_cores = registration.resources().cpu_cores();
  out.resources.memory_bytes = registration.resources().memory_bytes();
  out.resources.cuda = registration.resources().cuda();
  out.models.assign(registration.models().begin(), registration.models().end());
  std::sort(out.models.begin(), out.models.end());
  out.models.erase(std::unique(out.models.begin(), out.models.end()), out.models.end());
  return out;
}

Result<domain::AttemptReport> ToReport(const v1::AttemptReport& report) {
  if (report.phase() < v1::ATTEMPT_PHASE_STARTED ||
      report.phase() > v1::ATTEMPT_PHASE_INTERRUPTED || report.failure_class() < 0 ||
      report.failure_class() > v1::FAILURE_CLASS_FAULT) {
    return Failure(ErrorCode::kInvalidArgument,
                   "report of job " + report.job_id() + " has no phase this coordinator knows.");
  }
  LATHE_RETURN_IF_ERROR(artifacts::CheckManifest(report.adapter()));
  LATHE_RETURN_IF_ERROR(artifacts::CheckManifest(report.checkpoint()));
  domain::AttemptReport out;
  out.key = {domain::JobId(report.job_id()), domain::AttemptNumber(report.attempt())};
  out.phase = static_cast<domain::AttemptPhase>(report.phase());
  out.message = report.message();
  if (out.phase == domain::AttemptPhase::kFailed) {
    // A failure without a class is nobody's proven mistake: it may be tried again.
    out.failure_class = report.failure_class() == v1::FAILURE_CLASS_UNSPECIFIED
                            ? domain::FailureClass::kFault
                            : static_cast<domain::FailureClass>(report.failure_class());
  }
  for (const auto& finding : report.findings()) out.findings.push_back(rpc::FromProto(finding));
  out.adapter = FromProto(report.adapter());
  out.checkpoint = {report.checkpoint_step(), FromProto(report.checkpoint())};
  return out;
}

Result<domain::Checkpoint> ToCheckpoint(const v1::CheckpointReport& report) {
  LATHE_RETURN_IF_ERROR(artifacts::CheckManifest(report.checkpoint()));
  return domain::Checkpoint{report.step(), FromProto(report.checkpoint())};
}

v1::CoordinatorMessage MakeWelcome(const domain::LeaseTerms& terms) {
  const auto set = [](google::protobuf::Duration& out, Duration time) {
    out.set_seconds(time.count() / 1'000'000);
    out.set_nanos(static_cast<std::int32_t>(time.count() % 1'000'000 * 1000));
  };
  v1::CoordinatorMessage message;
  auto& welcome = *message.mutable_welcome();
  welcome.set_protocol_version(kProtocolVersion);
  set(*welcome.mutable_heartbeat_interval(), terms.heartbeat_interval);
  set(*welcome.mutable_lease(), terms.lease);
  return message;
}

v1::CoordinatorMessage ToMessage(const core::AcknowledgeHeartbeat& acknowledge) {
  v1::CoordinatorMessage message;
  message.mutable_heartbeat_ack()->set_sequence(acknowledge.sequence);
  return message;
}

v1::CoordinatorMessage ToMessage(const core::StopAttempt& stop) {
  v1::CoordinatorMessage message;
  auto& out = *message.mutable_stop_attempt();
  out.set_job_id(stop.attempt.job.value());
  out.set_attempt(stop.attempt.attempt.value());
  out.set_checkpoint(stop.mode == core::StopMode::kCheckpoint);
  return message;
}

v1::CoordinatorMessage ToMessage(const core::AcknowledgeReport& acknowledge) {
  v1::CoordinatorMessage message;
  auto& out = *message.mutable_report_ack();
  out.set_job_id(acknowledge.attempt.job.value());
  out.set_attempt(acknowledge.attempt.attempt.value());
  out.set_phase(static_cast<v1::AttemptPhase>(acknowledge.phase));
  return message;
}

Result<v1::CoordinatorMessage> ToMessage(const runtime::StartOrder& order,
                                         const domain::NodeResources& node) {
  const domain::JobSpec& spec = order.start.spec;
  auto configuration =
      schema::ReadStored(order.configuration, static_cast<int>(spec.schema_version));
  if (!configuration) {
    return Failure(configuration.error().WithContext("job " + spec.id.value()));
  }
  // A trainer reads what lies on its node and reports to its worker alone: no secret is for it.
  secrets::DropSecrets(*configuration);
  v1::CoordinatorMessage message;
  auto& start = *message.mutable_start_attempt();
  start.set_job_id(spec.id.value());
  start.set_attempt(order.start.attempt.value());
  start.set_configuration_json(schema::ToJson(schema::Resolve(*configuration)));
  start.set_base_model(spec.base_model);
  *start.mutable_train() = ToProto(spec.train);
  if (spec.validation) *start.mutable_validation() = ToProto(*spec.validation);
  if (!spec.init_adapter.files.empty()) {
    *start.mutable_init_adapter() = ToProto(spec.init_adapter);
  }
  *start.mutable_checkpoint() = ToProto(order.start.checkpoint.files);
  start.set_checkpoint_step(order.start.checkpoint.step);
  for (const std::uint32_t gpu : order.start.gpus) start.add_gpu_indices(gpu);
  start.set_cpu_threads(CpuThreads(spec, node));
  start.set_reported_step(order.reported_step);
  return message;
}

}  // namespace lathe::sessions
