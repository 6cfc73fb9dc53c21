#include "worker/attempt/attempt_runner.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <utility>

#include "common/base/file_io.h"
#include "common/base/log.h"
#include "worker/attempt/report_text.h"

namespace lathe::worker::attempt {
namespace {

constexpr std::chrono::milliseconds kCollectInterval{100};
constexpr std::chrono::seconds kRetryPause{2};

pid_t FirstPid(const AttemptRecord& record) {
  return record.trainers.empty() ? 0 : record.trainers.front().pid;
}

}  // namespace

Result<std::unique_ptr<AttemptRunner>> AttemptRunner::Create(const Surroundings& surroundings,
                                                             JobFolder folder,
                                                             AttemptRecord record) {
  LATHE_ASSIGN_OR_RETURN(auto spool, spool::Spool::Open(folder.Spool(record.start.attempt())));
  return std::unique_ptr<AttemptRunner>(
      new AttemptRunner(surroundings, std::move(folder), std::move(record), std::move(spool)));
}

AttemptRunner::AttemptRunner(const Surroundings& surroundings, JobFolder folder,
                             AttemptRecord record, std::unique_ptr<spool::Spool> spool)
    : surroundings_(surroundings),
      key_{record.start.job_id(), record.start.attempt()},
      folder_(std::move(folder)),
      spool_(std::move(spool)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      record_(std::move(record)) {
  uploader_ = std::make_unique<CheckpointUploader>(
      surroundings_.upload_folder, [this](const UploadedCheckpoint& uploaded) {
        surroundings_.checkpoint_uploaded(CheckpointReportOf(key_, uploaded));
      });
}

AttemptRunner::~AttemptRunner() {
  leave_ = true;
  ::eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

void AttemptRunner::Start() {
  thread_ = std::thread([this] { Run(); });
}

void AttemptRunner::Terminate() {
  terminate_ = true;
  ::eventfd_write(wake_.get(), 1);
}

void AttemptRunner::Kill(agent::KillReason reason) {
  {
    const std::lock_guard lock(mutex_);
    if (kill_reason_.empty()) kill_reason_ = Sentence(reason);
  }
  unwanted_ = reason == agent::KillReason::kDiscarded || reason == agent::KillReason::kSuperseded;
  kill_ = true;
  ::eventfd_write(wake_.get(), 1);
}

v1::AttemptReport AttemptRunner::report() const {
  const std::lock_guard lock(mutex_);
  return record_.report;
}

std::string AttemptRunner::KillReasonText() const {
  const std::lock_guard lock(mutex_);
  return kill_reason_;
}

void AttemptRunner::Run() {
  if (record_.stage == Stage::kAccepted && !(Prepare() && Launch())) return;
  if (record_.stage == Stage::kRunning && !trainers_) {
    trainers_ = process::TrainerRanks::Adopt(record_.trainers, surroundings_.clock);
    surroundings_.happened(agent::TrainerStarted{key_});
    log::Info("trainer_adopted", {{"job", key_.job},
                                  {"attempt", key_.attempt},
                                  {"pid", FirstPid(record_)},
                                  {"ranks", record_.trainers.size()},
                                  {"alive", trainers_->AnyAlive()}});
  }
  if (Watch()) Conclude(process::Judge(Examine()));
}

// False: it ended here.
bool AttemptRunner::Prepare() {
  while (true) {
    const Status prepared =
        PrepareJob(folder_, record_, surroundings_.find_model, surroundings_.cache);
    if (leave_) return false;
    if (kill_ || terminate_) {
      Conclude(StoppedBeforeStart(KillReasonText()));
      return false;
    }
    if (prepared) return true;
    if (!IsPassing(prepared.error().code)) {
      FailToStart(prepared.error());
      return false;
    }
    log::Warning("preparation_waits", {{"job", key_.job}, {"error", prepared.error().message}});
    Pause(kRetryPause);
  }
}

bool AttemptRunner::Launch() {
  const auto history_end = spool::EndOfCompleteLines(folder_.EventLog());
  if (!history_end) {
    FailToStart(history_end.error());
    return false;
  }
  record_.history_end = *history_end;
  // First: should this daemon die right after the launch, the next one must look for the trainer.
  record_.stage = Stage::kLaunching;
  if (const Status saved = Save(folder_, record_); !saved) {
    FailToStart(saved.error());
    return false;
  }
  RemoveRendezvous();  // Of a launch that an earlier daemon began and did not survive.
  auto launched = process::TrainerRanks::Launch(LaunchSpecs(), surroundings_.clock);
  if (!launched) {
    FailToStart(launched.error());
    return false;
  }
  trainers_ = std::move(*launched);
  return NoteLaunched();
}

void AttemptRunner::RemoveRendezvous() const {
  std::error_code none;
  std::filesystem::remove(folder_.Rendezvous(key_.attempt), none);
}

std::vector<process::LaunchSpec> AttemptRunner::LaunchSpecs() const {
  const unsigned ranks = record_.ranks;
  auto environment = process::TrainerEnvironment(
      record_.start.cpu_threads() / ranks,
      {record_.start.gpu_indices().begin(), record_.start.gpu_indices().end()});
  environment[process::kAttemptVariable] = folder_.Marker(key_.attempt);
  std::vector<process::LaunchSpec> specs;
  for (unsigned rank = 0; rank < ranks; ++rank) {
    process::LaunchSpec spec{.program = surroundings_.trainer,
                             .arguments = {"run", folder_.Plan().string()},
                             .environment = environment,
                             .working_directory = folder_.root,
                             .log = folder_.TrainerLog(key_.attempt, rank)};
    spec.environment.merge(process::RankEnvironment(rank, ranks, folder_.Rendezvous(key_.attempt)));
    specs.push_back(std::move(spec));
  }
  return specs;
}

// False: that could not be written down, and they are dead.
bool AttemptRunner::NoteLaunched() {
  record_.trainers = trainers_->identities();
  record_.stage = Stage::kRunning;
  if (const Status saved = Save(folder_, record_); !saved) {
    trainers_->Kill();
    while (!trainers_->WaitFor(kCollectInterval)) {
    }
    FailToStart(saved.error());
    return false;
  }
  log::Info("trainer_started", {{"job", key_.job},
                                {"attempt", key_.attempt},
                                {"pid", FirstPid(record_)},
                                {"ranks", record_.ranks}});
  surroundings_.happened(agent::TrainerStarted{key_});
  return true;
}

// Until the trainers are gone and all they wrote is spooled. False: the daemon stops.
bool AttemptRunner::Watch() {
  spool::Collector collector({.event_log = folder_.EventLog(),
                              .trainer_log = folder_.TrainerLog(key_.attempt),
                              .rule = {record_.history_end, record_.start.reported_step()}},
                             *spool_, surroundings_.clock.Now());
  while (!trainers_->WaitFor(kCollectInterval, wake_.get())) {
    if (leave_) return false;
    Obey();
    Collect(collector);
  }
  return CollectRest(collector);
}

void AttemptRunner::Obey() {
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
  if (kill_) trainers_->Kill();
  if (terminate_ && !terminated_) {
    trainers_->Terminate();
    terminated_ = true;
  }
}

void AttemptRunner::Collect(spool::Collector& collector) {
  const std::uint64_t before = spool_->last();
  const auto checkpoints = collector.Collect(surroundings_.clock.Now());
  if (!checkpoints) {
    // Training goes on; the same lines are tried again.
    log::Failure("events_not_spooled",
                 {{"job", key_.job}, {"error", ToString(checkpoints.error())}});
    Pause(kRetryPause);
    return;
  }
  for (const spool::EventLine& line : *checkpoints) {
    uploader_->Submit(line.step, folder_.Checkpoint(line.step));
  }
  if (spool_->last() != before) surroundings_.spool_grew();
}

bool AttemptRunner::CollectRest(spool::Collector& collector) {
  while (!leave_) {
    const auto rest = collector.CollectRest(surroundings_.clock.Now());
    if (rest) break;
    log::Failure("events_not_spooled", {{"job", key_.job}, {"error", ToString(rest.error())}});
    if (unwanted_) break;
    Pause(kRetryPause);
  }
  surroundings_.spool_grew();
  return !leave_;
}

process::Remains AttemptRunner::Examine() const {
  const std::vector<process::RankEnd> ends = trainers_->ends();
  const std::size_t rank = process::DecisiveRank(ends);
  process::Remains remains{.exit = ends[rank].exit, .kill_reason = KillReasonText()};
  if (rank > 0) {
    remains.rank = "rank " + std::to_string(rank) + " of " + std::to_string(ends.size());
  }
  if (const auto last = spool::LastEvent(folder_.EventLog(), record_.history_end); last && *last) {
    remains.last_event = (*last)->type;
    remains.code = (*last)->code;
    remains.message = (*last)->message;
    remains.findings = (*last)->findings;
  }
  remains.last_log_lines = LastLines(folder_.TrainerLog(key_.attempt, rank));
  return remains;
}

void AttemptRunner::FailToStart(const Error& error) {
  Conclude({.kind = process::OutcomeKind::kFailed,
            .failure = process::FailureKind::kFault,
            .message = "the attempt could not be started: " + error.message,
            .findings = error.findings});
}

void AttemptRunner::Conclude(process::Outcome outcome) {
  uploader_->Stop();
  RemoveRendezvous();
  {
    const std::lock_guard lock(mutex_);
    record_.report = v1::AttemptReport();
  }
  if (outcome.kind == process::OutcomeKind::kSucceeded) AttachAdapter(outcome);
  if (outcome.kind != process::OutcomeKind::kSucceeded) AttachCheckpoint();
  if (leave_) return;
  {
    const std::lock_guard lock(mutex_);
    FillReport(key_, outcome, record_.report);
    record_.stage = Stage::kEnded;
  }
  // Without the record (the disk is full) a restarted daemon finds the same end once more, from the
  // trainer's events; the coordinator must hear of it now.
  constexpr int kTries = 3;
  for (int i = 0; i < kTries && !SaveRecord() && Pause(kRetryPause) && !unwanted_; ++i) {
  }
  if (leave_) return;
  log::Info("attempt_ended", {{"job", key_.job},
                              {"attempt", key_.attempt},
                              {"phase", v1::AttemptPhase_Name(record_.report.phase())},
                              {"message", outcome.message}});
  surroundings_.happened(agent::AttemptEnded{key_, PhaseOf(outcome.kind)});
}

void AttemptRunner::AttachAdapter(process::Outcome& outcome) {
  auto adapter = UploadPatiently(folder_.Adapter());
  if (adapter) {
    const std::lock_guard lock(mutex_);
    *record_.report.mutable_adapter() = std::move(*adapter);
    return;
  }
  outcome = {.kind = process::OutcomeKind::kFailed,
             .failure = process::FailureKind::kFault,
             .message = "the adapter could not be uploaded: " + adapter.error().message};
}

void AttemptRunner::AttachCheckpoint() {
  const auto newest = NewestCheckpoint(folder_);
  if (!newest || Abandoned()) return;
  const auto uploaded = uploader_->newest();
  Result<v1::Manifest> manifest = uploaded && uploaded->step == *newest
                                      ? uploaded->manifest
                                      : UploadPatiently(folder_.Checkpoint(*newest));
  if (!manifest) {
    log::Warning("checkpoint_not_uploaded",
                 {{"job", key_.job}, {"error", ToString(manifest.error())}});
    return;
  }
  const std::lock_guard lock(mutex_);
  *record_.report.mutable_checkpoint() = std::move(*manifest);
  record_.report.set_checkpoint_step(*newest);
}

// Waits for a coordinator that is away, as long as somebody wants the result.
Result<v1::Manifest> AttemptRunner::UploadPatiently(const std::filesystem::path& folder) {
  while (true) {
    auto manifest = surroundings_.upload_folder(folder);
    if (manifest || !IsPassing(manifest.error().code) || Abandoned()) return manifest;
    log::Warning("upload_waits", {{"job", key_.job}, {"error", manifest.error().message}});
    Pause(kRetryPause);
  }
}

// Ends early when something is asked of the runner. False: the daemon stops.
bool AttemptRunner::Pause(Duration time) {
  pollfd fd{wake_.get(), POLLIN, 0};
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  if (::poll(&fd, 1, static_cast<int>(limit)) > 0) {
    eventfd_t count = 0;
    ::eventfd_read(wake_.get(), &count);
  }
  return !leave_;
}

bool AttemptRunner::SaveRecord() {
  const Status saved = Save(folder_, record_);
  if (!saved) {
    log::Failure("record_not_saved", {{"job", key_.job}, {"error", ToString(saved.error())}});
  }
  return saved.has_value();
}

}  // namespace lathe::worker::attempt
