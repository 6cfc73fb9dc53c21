#pragma once
// The way of one attempt at an engine, from the start to the end, one step at a time. A step asks
// the engine or tells it something, stores what it learnt, and says when the next one is due. It
// may be left at any point, by the death of the process too: the next follower of the same attempt
// takes it up from what is stored and finds at the engine what is not.
//
//   start   it is stored that the request will be sent, then it is sent; so one that may have been
//           sent is known, and looked for by its marker before it is sent again
//   follow  the engine's id is stored; state, events and metrics as the engine tells them
//   cancel  asked for at the engine until it says that the job has ended
//
// Step and what it calls block. One thread at a time; Cancel from any.

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "common/artifacts/blob_store.h"
#include "common/base/clock.h"
#include "common/secrets/keyring.h"
#include "coordinator/core/events.h"
#include "coordinator/engine_jobs/event_log.h"
#include "coordinator/engine_jobs/pace.h"
#include "coordinator/providers/remote_job.h"
#include "coordinator/runtime/node_gateway.h"
#include "coordinator/sessions/event_appender.h"
#include "coordinator/storage/store.h"

namespace lathe::engine_jobs {

using PostEvent = std::function<bool(core::Event)>;
/// Loop::Call: the answer once the event's commit is durable.
using CallLoop =
    std::function<Result<domain::Job>(const std::function<core::Event(core::Ticket)>&)>;

/// What all followers work with; everything outlives them.
struct House {
  const artifacts::BlobStore& blobs;
  const secrets::Keyring* keyring;  ///< null: jobs with secrets can't start
  storage::Store& store;
  sessions::EventAppender& appender;
  const Clock& clock;
  PostEvent post;
  CallLoop call;
  Timing timing;
};

/// One engine, and our way to it.
struct Way {
  const providers::Engine& engine;
  providers::RemoteEngine remote;
  bool has_key = false;
  domain::SessionId session;
  domain::NodeId node;
};

class Follower {
 public:
  /// `order` as the core gives it: with what is known of the job when it is not new. `stopping`
  /// ends waits.
  Follower(const House& house, const Way& way, runtime::StartOrder order,
           const std::atomic<bool>& stopping);

  /// The time until the next step; nullopt when the attempt is over or the process stops.
  std::optional<Duration> Step();
  /// The job is to end.
  void Cancel() { cancel_ = true; }
  bool cancelled() const { return cancel_; }

 private:
  using Next = std::optional<Duration>;

  Next StartStep();
  Next LookForStart(const v1::JobConfiguration& configuration);
  Next Start(const v1::JobConfiguration& configuration);
  Next FollowStep();
  Next Take(const providers::RemoteJob& job);
  /// Stored first, so that nobody ever needs to guess whether the request was sent.
  Status AnnounceStart();
  std::string NotStarted() const;
  Next Adopt(std::string id);
  Next Away(const Error& error);
  Next Finish(domain::AttemptReport report);
  Result<std::map<std::string, providers::DataFile>> Files(
      const v1::JobConfiguration& configuration) const;
  Status KeepEvents(const std::vector<providers::RemoteEvent>& events);
  Status Store(sessions::ReadBatch batch);
  Status LoadEvents();
  /// Tells the core what has changed, and hears from it whether the job is to end.
  Status Tell(std::string detail, bool away = false);

  const House& house_;
  const Way& way_;
  const domain::AttemptKey attempt_;
  const domain::JobSpec spec_;
  const std::atomic<bool>& stopping_;
  std::string configuration_;  ///< as stored, secrets sealed; empty once it is not needed
  domain::RemoteJob remote_;
  MonotonicInstant settled_at_{};  ///< from then on a start that is not found was not sent
  Pace pace_;
  EventLog log_;
  bool events_known_ = false;
  bool started_told_ = false;
  bool cancel_asked_ = false;
  bool over_ = false;  ///< the core has given the attempt up
  int missing_ = 0;    ///< answers in a row that the engine has no such job
  domain::RemoteJob told_;
  std::string told_detail_;
  std::atomic<bool> cancel_{false};
};

}  // namespace lathe::engine_jobs
