#include "coordinator/api/event_stream.h"

#include "coordinator/api/job_convert.h"

namespace lathe::api {
namespace {

constexpr std::size_t kReadAtOnce = 500;

}  // namespace

Status EventStream::Run(const v1::StreamJobEventsRequest& request) {
  const domain::JobId job(request.id());
  if (!context_.view.Job(job)) {
    return Failure(ErrorCode::kNotFound, "there is no job " + request.id() + ".");
  }
  if (!request.after_id().empty()) {
    after_ = core::ParseEventId(request.after_id());
    if (!after_) {
      return Failure(ErrorCode::kInvalidArgument, "after_id \"" + request.after_id() +
                                                      "\" is not the id of an event, like 1-42.");
    }
  }
  types_.insert(request.types().begin(), request.types().end());
  if (request.follow()) return Follow(job);
  while (true) {
    LATHE_ASSIGN_OR_RETURN(const Progress progress, SendStored(job));
    if (progress != Progress::kMore) return {};
  }
}

Status EventStream::Follow(const domain::JobId& job) {
  // Subscribed before the first read: what is stored between read and wait is not missed.
  LATHE_ASSIGN_OR_RETURN(const auto changes, context_.view.signals().Subscribe(job));
  while (true) {
    // Looked at before the read: a job that was final has stored its last event.
    const bool final = domain::IsFinal(context_.view.Job(job)->state);
    LATHE_ASSIGN_OR_RETURN(const Progress progress, SendStored(job));
    if (progress == Progress::kCallerGone) return {};
    if (progress == Progress::kMore) continue;
    if (final) return {};
    while (!changes->Wait(kPatience)) {
      if (call_.IsCancelled()) return {};
      if (context_.stopping) {
        return Failure(ErrorCode::kUnavailable, "the coordinator is stopping; come back.");
      }
    }
  }
}

Result<EventStream::Progress> EventStream::SendStored(const domain::JobId& job) {
  LATHE_ASSIGN_OR_RETURN(const auto events, context_.store.ReadEvents(job, after_, kReadAtOnce));
  for (const storage::StoredEvent& event : events) {
    after_ = event.id;
    if (!types_.empty() && !types_.contains(event.type)) continue;
    if (!stream_.Write(ToProto(event))) return Progress::kCallerGone;
  }
  return events.size() < kReadAtOnce ? Progress::kCaughtUp : Progress::kMore;
}

}  // namespace lathe::api
