#include "coordinator/engine_jobs/follower.h"

#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "common/schema/migrate.h"
#include "common/secrets/sealed_configuration.h"
#include "coordinator/engine_jobs/answers.h"
#include "coordinator/providers/translate.h"

namespace lathe::engine_jobs {
namespace {

/// An engine that has no such job says so at least this often before it is believed.
constexpr int kMissingAnswers = 3;
constexpr std::size_t kReadAtOnce = 500;
/// How long a wait may overlook that the coordinator stops.
constexpr Duration kPatience = std::chrono::milliseconds(50);

}  // namespace

Follower::Follower(const House& house, const Way& way, runtime::StartOrder order,
                   const std::atomic<bool>& stopping)
    : house_(house),
      way_(way),
      attempt_{order.start.spec.id, order.start.attempt},
      spec_(std::move(order.start.spec)),
      stopping_(stopping),
      configuration_(std::move(order.configuration)),
      remote_(std::move(order.start.remote)),
      settled_at_(house.clock.MonotonicNow() + house.timing.settle),
      pace_(house.timing.poll, std::hash<std::string>{}(attempt_.job.value())),
      log_(attempt_),
      told_(remote_) {}

Follower::Next Follower::Step() {
  if (!way_.has_key) {
    return Away(Error{ErrorCode::kUnavailable,
                      "the coordinator has no key for it: its operator sets providers." +
                          way_.engine.id + ".api_key_file",
                      {}});
  }
  const Next next = remote_.id.empty() ? StartStep() : FollowStep();
  if (over_ || stopping_) return std::nullopt;
  return next;
}

// ---- start ----

Follower::Next Follower::StartStep() {
  const auto configuration =
      schema::ReadStored(configuration_, static_cast<int>(spec_.schema_version));
  if (!configuration) return Finish(Refused(attempt_, configuration.error().message));
  if (remote_.start_sent) {
    if (const Next next = LookForStart(*configuration)) return next;
  }
  if (over_ || stopping_) return std::nullopt;
  if (cancel_) return Finish(Ended(attempt_, NotStarted() + "."));
  return Start(*configuration);
}

/// nullopt when it is certain that no request has started it.
Follower::Next Follower::LookForStart(const v1::JobConfiguration& configuration) {
  auto found = way_.remote.Find(configuration, MarkerOf(attempt_));
  // Also a refusal: the job may be there.
  if (!found) return Away(found.error());
  if (!found->empty()) return Adopt(std::move(*found));
  // Where the job's id is ours, starting it twice is starting it once.
  const bool settled = way_.engine.create->repeatable || house_.clock.MonotonicNow() >= settled_at_;
  if (settled) return std::nullopt;
  (void)Tell("Nobody knows whether " + way_.engine.title +
             " got the request to start it; it is looked for before it is sent again.");
  return std::min(pace_.AfterNone(), house_.timing.settle / 4);
}

Follower::Next Follower::Start(const v1::JobConfiguration& configuration) {
  auto opened =
      secrets::Open(configuration, secrets::JobRecordId(attempt_.job.value()), house_.keyring);
  if (!opened) return Finish(Refused(attempt_, opened.error().message));
  const auto files = Files(configuration);
  if (!files) return Finish(Refused(attempt_, files.error().message));
  auto id =
      way_.remote.Start(*opened, MarkerOf(attempt_), *files,
                        {.before_create = [this] { return AnnounceStart(); },
                         .cancelled = [this] { return cancel_.load() && !remote_.start_sent; },
                         .is_new = !remote_.start_sent});
  if (id) return Adopt(std::move(*id));
  if (over_ || stopping_) return std::nullopt;
  if (cancel_ && !remote_.start_sent) {
    // What it has left there is said.
    const bool told = id.error().code == ErrorCode::kCancelled;
    return Finish(Ended(attempt_, (told ? id.error().message : NotStarted()) + "."));
  }
  if (!MayPass(id.error().code)) {
    return Finish(Refused(attempt_, way_.engine.title + ": " + id.error().message));
  }
  settled_at_ = house_.clock.MonotonicNow() + house_.timing.settle;
  return Away(id.error());
}

Status Follower::AnnounceStart() {
  if (cancel_ || stopping_) return Failure(ErrorCode::kCancelled, NotStarted());
  remote_.start_sent = true;
  const Status told = Tell("Is being started at " + way_.engine.title + ".");
  // The core knows of cancellations first: what was cancelled before this is not sent.
  if (told && !cancel_) return {};
  remote_.start_sent = false;
  return told ? Status(Failure(ErrorCode::kCancelled, NotStarted())) : told;
}

std::string Follower::NotStarted() const {
  return "It was not started at " + way_.engine.title;
}

Follower::Next Follower::Adopt(std::string id) {
  remote_.start_sent = true;
  remote_.id = std::move(id);
  configuration_.clear();
  // When this can't be stored now, each answer brings it again.
  (void)Tell("At " + way_.engine.title + " as " + remote_.id + ".");
  return Duration::zero();
}

Result<std::map<std::string, providers::DataFile>> Follower::Files(
    const v1::JobConfiguration& configuration) const {
  std::map<std::string, providers::DataFile> files;
  for (const std::string& role : providers::FileRoles(way_.engine, configuration)) {
    const std::string& hash =
        role == "training" ? spec_.train.sha256 : spec_.validation.value_or(domain::Blob{}).sha256;
    LATHE_ASSIGN_OR_RETURN(auto path, house_.blobs.PathOf(hash));
    files[role] = {std::move(path), hash};
  }
  return files;
}

// ---- follow ----

Follower::Next Follower::FollowStep() {
  if (cancel_ && !cancel_asked_) {
    const Status asked = way_.remote.Cancel(remote_.id);
    if (!asked && MayPass(asked.error().code)) return Away(asked.error());
    // A refusal is not the last word: the job is followed, and asked to end again.
    cancel_asked_ = asked.has_value();
  }
  if (!events_known_ && !LoadEvents()) return pace_.AfterNone();
  const providers::KnownEvents known{
      [this](const providers::RemoteEvent& event) { return log_.Knows(event); }, log_.last_step()};
  const auto job = way_.remote.Query(remote_.id, &known);
  if (job) {
    missing_ = 0;
    return Take(*job);
  }
  if (job.error().code == ErrorCode::kNotFound && ++missing_ >= kMissingAnswers) {
    return Finish(Refused(attempt_, way_.engine.title + " has no job " + remote_.id + " any more"));
  }
  return Away(job.error());
}

Follower::Next Follower::Take(const providers::RemoteJob& job) {
  const Status kept = KeepEvents(job.events);
  if (!kept) return pace_.AfterNone();
  const bool changed = remote_.state != job.their_state;
  remote_.state = job.their_state;
  // Some services name it before there is any.
  if (job.state == providers::RemoteState::kSucceeded) remote_.model = job.model;
  if (job.state == providers::RemoteState::kRunning && !started_told_) {
    started_told_ = house_.post(
        core::AttemptReported{way_.session, way_.node, domain::AttemptReport{.key = attempt_}});
  }
  if (!Tell(SayStanding(way_.engine, job))) return pace_.AfterNone();
  if (auto end = EndOf(way_.engine, attempt_, job)) return Finish(std::move(*end));
  return pace_.AfterAnswer(changed || cancel_);
}

Status Follower::LoadEvents() {
  std::optional<core::EventId> after = core::EventId{attempt_.attempt.value(), 0};
  while (true) {
    LATHE_ASSIGN_OR_RETURN(const auto stored,
                           house_.store.ReadEvents(attempt_.job, after, kReadAtOnce));
    log_.Know(stored);
    if (stored.size() < kReadAtOnce) break;
    after = stored.back().id;
  }
  events_known_ = true;
  return {};
}

Status Follower::KeepEvents(const std::vector<providers::RemoteEvent>& events) {
  std::optional<std::uint64_t> step;
  for (const providers::RemoteEvent& event : events) {
    if (event.step) step = std::max(step.value_or(0), *event.step);
  }
  const Instant now = house_.clock.Now();
  while (true) {
    const v1::EventBatch lines = log_.New(events, now);
    if (lines.events().empty()) return {};
    LATHE_ASSIGN_OR_RETURN(sessions::ReadBatch batch, sessions::ReadEventBatch(lines, now));
    batch.progress.step = step;
    LATHE_RETURN_IF_ERROR(Store(std::move(batch)));
    log_.Keep(lines);
  }
}

Status Follower::Store(sessions::ReadBatch batch) {
  auto stored = std::make_shared<std::promise<Status>>();
  auto answer = stored->get_future();
  const bool taken = house_.appender.Append(
      std::move(batch), [stored](const Status& status) { stored->set_value(status); });
  if (!taken) return Failure(ErrorCode::kUnavailable, "the coordinator is stopping");
  while (answer.wait_for(kPatience) != std::future_status::ready) {
    if (stopping_) return Failure(ErrorCode::kUnavailable, "the coordinator is stopping");
  }
  return answer.get();
}

// ---- what the core hears ----

Status Follower::Tell(std::string detail, bool away) {
  if (remote_ == told_ && detail == told_detail_) return {};
  const auto job = house_.call([&](core::Ticket ticket) {
    return core::RemoteReported{ticket, way_.node, attempt_, remote_, away, detail};
  });
  if (!job) {
    over_ = job.error().code == ErrorCode::kAborted;
    return Failure(job.error());
  }
  if (job->cancel_requested) cancel_ = true;
  told_ = remote_;
  told_detail_ = std::move(detail);
  return {};
}

Follower::Next Follower::Away(const Error& error) {
  if (stopping_) return std::nullopt;
  (void)Tell(SayAway(way_.engine, error), true);
  if (over_) return std::nullopt;
  return pace_.AfterNone();
}

Follower::Next Follower::Finish(domain::AttemptReport report) {
  // The queue of events has bounds; an end is told again until it has room, or by the next session.
  while (!house_.post(core::AttemptReported{way_.session, way_.node, report})) {
    if (stopping_) break;
    std::this_thread::sleep_for(kPatience);
  }
  return std::nullopt;
}

}  // namespace lathe::engine_jobs
