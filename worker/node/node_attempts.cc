// The node's attempts: recovery after a restart, and the agent's actions. See node.h.

#include <algorithm>
#include <system_error>
#include <utility>

#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/process_identity.h"
#include "worker/attempt/report_text.h"
#include "worker/node/node.h"
#include "worker/process/trainer_ranks.h"
namespace lathe::worker {
namespace {

namespace fs = std::filesystem;
using attempt::AttemptRecord;
using attempt::JobFolder;
using attempt::Stage;

/// A job's folder that nothing works on is kept this long for a next attempt.
constexpr std::chrono::hours kKeepIdleFolders{7 * 24};

void RemoveSpool(const JobFolder& folder, std::uint32_t attempt) {
  std::error_code ignored;
  const fs::path spool = folder.Spool(attempt);
  fs::remove(spool, ignored);
  fs::remove(spool.string() + ".acked", ignored);
}

void LogFailed(const Status& removed) {
  if (!removed) log::Failure("folder_not_removed", {{"error", ToString(removed.error())}});
}

std::string OutcomeName(agent::ReportPhase phase) {
  switch (phase) {
    case agent::ReportPhase::kSucceeded:
      return "succeeded";
    case agent::ReportPhase::kInterrupted:
      return "interrupted";
    default:
      return "failed";
  }
}

}  // namespace

attempt::Surroundings Node::MakeSurroundings() {
  return {
      .trainer = parts_.config.trainer,
      .clock = parts_.clock,
      .cache = cache_,
      .find_model = [this](const std::string& name) { return parts_.inventory.FindModel(name); },
      .upload_folder = [this](const fs::path& folder) { return artifacts_.UploadFolder(folder); },
      .happened =
          [this](const agent::Event& event) {
            queue_.Post([this, event] {
              if (const auto* ended = std::get_if<agent::AttemptEnded>(&event)) OnEnded(*ended);
              Handle(event);
              PumpEvents();
            });
          },
      .spool_grew = [this] { queue_.Post([this] { PumpEvents(); }); },
      .checkpoint_uploaded =
          [this](const v1::CheckpointReport& report) {
            queue_.Post([this, report] { OnCheckpointUploaded(report); });
          }};
}

generate::Generator::Surroundings Node::MakeGeneratorSurroundings() {
  const v1::NodeResources& resources = parts_.inventory.resources();
  const unsigned all_cores = resources.cpu_cores();
  return {
      .trainer = parts_.config.trainer,
      .device = resources.cuda() ? "cuda:0" : "cpu",
      .cpu_threads = parts_.config.cpu_threads > 0 ? parts_.config.cpu_threads : all_cores,
      .folder = parts_.config.data_dir / "answers",
      .cache = cache_,
      .find_model = [this](const std::string& name) { return parts_.inventory.FindModel(name); },
      .send =
          [this](v1::GenerateChunk chunk) {
            v1::WorkerMessage message;
            *message.mutable_generate_chunk() = std::move(chunk);
            session_->Send(std::move(message));
          }};
}

void Node::Recover() {
  attempt::PurgeRemovedFolders(jobs_);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(jobs_, error)) {
    RecoverJob(JobFolder{entry.path()});
  }
}

void Node::RecoverJob(const JobFolder& folder) {
  auto loaded = attempt::Load(folder);
  if (!loaded) {
    log::Failure("record_not_read", {{"error", ToString(loaded.error())}});
    return;
  }
  if (!*loaded || (*loaded)->stage == Stage::kDone) return;
  AttemptRecord record = std::move(**loaded);
  const agent::AttemptKey key{record.start.job_id(), record.start.attempt()};
  const std::string spec = record.start.SerializeAsString();
  if (record.stage == Stage::kLaunching) {
    record.trainers = FindAllByEnvironment(process::kAttemptVariable, folder.Marker(key.attempt));
    const bool whole = record.trainers.size() == record.ranks;
    record.stage = whole ? Stage::kRunning : Stage::kAccepted;
    // Ranks without all others wait for them in vain.
    if (!whole) process::KillAndWait(std::exchange(record.trainers, {}), parts_.clock);
  }
  if (record.stage == Stage::kAccepted) {
    return Handle(
        agent::AttemptFound{.key = key, .state = agent::FoundState::kUnstarted, .spec = spec});
  }
  const bool ended = record.stage == Stage::kEnded;
  const auto phase = attempt::FromProto(record.report.phase());
  if (const Status added = AddRunner(folder, std::move(record)); !added) {
    log::Failure("attempt_not_recovered", {{"job", key.job}, {"error", ToString(added.error())}});
    return;
  }
  Attempt& attempt = attempts_.at(key.job);
  attempt.ended = ended;
  Handle(
      agent::AttemptFound{.key = key,
                          .state = ended ? agent::FoundState::kEnded : agent::FoundState::kRunning,
                          .phase = phase.value_or(agent::ReportPhase::kFailed),
                          .spec = spec});
  if (!ended) attempt.runner->Start();
}

void Node::RemoveOldFolders() {
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (const auto& entry : fs::directory_iterator(jobs_, error)) {
    const auto record = attempt::Load(JobFolder{entry.path()});
    if (!record || !*record || (*record)->stage != Stage::kDone) continue;
    std::error_code ignored;
    if (now - fs::last_write_time(entry.path(), ignored) < kKeepIdleFolders) continue;
    LogFailed(attempt::RemoveFolder(JobFolder{entry.path()}));
  }
}

Status Node::AddRunner(const JobFolder& folder, AttemptRecord record) {
  const std::string job = record.start.job_id();
  LATHE_ASSIGN_OR_RETURN(auto runner,
                         attempt::AttemptRunner::Create(surroundings_, folder, std::move(record)));
  auto sender = std::make_unique<EventSender>(runner->key(), runner->spool());
  Attempt& attempt = attempts_[job];
  attempt.sender.reset();
  attempt = Attempt{std::move(runner), std::move(sender), false};
  return {};
}

attempt::AttemptRunner* Node::RunnerOf(const agent::AttemptKey& key) {
  const auto found = attempts_.find(key.job);
  if (found == attempts_.end() || found->second.runner->key() != key) return nullptr;
  return found->second.runner.get();
}

void Node::OnEnded(const agent::AttemptEnded& event) {
  parts_.telemetry.Add(telemetry::metrics::kWorkerAttempts,
                       {{"outcome", OutcomeName(event.phase)}});
  if (RunnerOf(event.key) != nullptr) attempts_.at(event.key.job).ended = true;
}

void Node::OnCheckpointUploaded(const v1::CheckpointReport& report) {
  if (RunnerOf({report.job_id(), report.attempt()}) == nullptr) return;
  attempts_.at(report.job_id()).sender->Offer(report);
  PumpEvents();
}

void Node::Perform(const agent::Begin& action) {
  const Status begun = TryBegin(action);
  if (begun) return;
  log::Failure("attempt_not_begun", {{"job", action.key.job}, {"error", ToString(begun.error())}});
  v1::AttemptReport report;
  attempt::FillReport(action.key,
                      {.kind = process::OutcomeKind::kFailed,
                       .failure = process::FailureKind::kFault,
                       .message = "the node cannot begin: " + begun.error().message},
                      report);
  failed_to_begin_[action.key.job] = std::move(report);
  queue_.Post([this, key = action.key] {
    Handle(agent::AttemptEnded{key, agent::ReportPhase::kFailed});
    Handle(agent::EventsDelivered{key});
  });
}

Status Node::TryBegin(const agent::Begin& action) {
  AttemptRecord record;
  if (!record.start.ParseFromString(action.spec)) {
    return Failure(ErrorCode::kDataLoss, "the order for job " + action.key.job + " is damaged");
  }
  LATHE_ASSIGN_OR_RETURN(const JobFolder folder, attempt::FolderOf(jobs_, action.key.job));
  std::error_code error;
  fs::create_directories(folder.root, error);
  if (error) return Failure(FileError("make", folder.root, error.value()));
  const v1::NodeResources& resources = parts_.inventory.resources();
  if (parts_.config.cpu_threads > 0) record.start.set_cpu_threads(parts_.config.cpu_threads);
  if (record.start.cpu_threads() == 0) {
    record.start.set_cpu_threads(
        std::max(1U, resources.cpu_cores() / std::max(1U, resources.cpu_slots())));
  }
  const int gpus = record.start.gpu_indices_size();
  record.ranks = gpus > 0 ? static_cast<unsigned>(gpus) : parts_.config.cpu_ranks;
  record.base_weights = parts_.config.base_weights;
  LATHE_RETURN_IF_ERROR(attempt::Save(folder, record));
  LATHE_RETURN_IF_ERROR(AddRunner(folder, std::move(record)));
  failed_to_begin_.erase(action.key.job);
  attempts_.at(action.key.job).runner->Start();
  return {};
}

void Node::Perform(const agent::Terminate& action) {
  if (auto* runner = RunnerOf(action.key)) runner->Terminate();
}

void Node::Perform(const agent::Kill& action) {
  log::Warning("trainer_killed", {{"job", action.key.job},
                                  {"attempt", action.key.attempt},
                                  {"why", attempt::Sentence(action.reason)}});
  if (auto* runner = RunnerOf(action.key)) runner->Kill(action.reason);
}

void Node::Perform(const agent::SendReport& action) {
  SendReport(ReportOf(action));
}

void Node::Perform(const agent::ReportUnknown& action) {
  v1::AttemptReport report = ReportOf({action.key, agent::ReportPhase::kInterrupted});
  report.set_message("this node does not have the attempt");
  SendReport(std::move(report));
}

void Node::Perform(const agent::Forget& action) {
  failed_to_begin_.erase(action.key.job);
  if (RunnerOf(action.key) == nullptr) return;
  const JobFolder folder = attempts_.at(action.key.job).runner->folder();
  attempts_.erase(action.key.job);
  if (action.phase == agent::ReportPhase::kSucceeded) {
    // Its adapter and last checkpoint are uploaded; nobody resumes a job that succeeded.
    return LogFailed(attempt::RemoveFolder(folder));
  }
  RemoveSpool(folder, action.key.attempt);
  if (auto record = attempt::Load(folder); record && *record) {
    (*record)->stage = Stage::kDone;
    if (const Status saved = attempt::Save(folder, **record); !saved) {
      log::Failure("record_not_saved", {{"error", ToString(saved.error())}});
    }
  }
}

void Node::Perform(const agent::Discard& action) {
  failed_to_begin_.erase(action.key.job);
  attempts_.erase(action.key.job);
  const auto folder = attempt::FolderOf(jobs_, action.key.job);
  if (!folder) return;
  const auto record = attempt::Load(*folder);
  // A late message about an older attempt takes nothing from a newer one.
  if (record && *record && (*record)->start.attempt() > action.key.attempt) return;
  LogFailed(attempt::RemoveFolder(*folder));
}

}  // namespace lathe::worker
