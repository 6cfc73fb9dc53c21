#include "coordinator/runtime/loop.h"

#include <algorithm>
#include <future>
#include <memory>
#include <utility>

#include "common/base/log.h"

namespace lathe::runtime {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(50);
constexpr Duration kLongestRetry = std::chrono::seconds(1);

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

}  // namespace

Loop::Loop(LoopOptions options, core::State state, LoopContext context)
    : options_(options),
      state_(std::move(state)),
      context_(context),
      queue_(options.queue_capacity),
      replies_(context.clock, options.reply_limit),
      metrics_(context.telemetry) {}

Loop::~Loop() {
  Stop();
}

void Loop::Start(std::function<void(const Error&)> on_fatal) {
  on_fatal_ = std::move(on_fatal);
  metrics_.Refresh(context_.view);
  context_.telemetry.Set(telemetry::metrics::kStoreAvailable, 1);
  thread_ = std::thread([this] { Run(); });
  watch_ = std::thread([this] { WatchCalls(); });
}

void Loop::Stop() {
  {
    const std::lock_guard lock(stop_mutex_);
    stopping_ = true;
  }
  stop_signal_.notify_all();
  queue_.Close();
  if (thread_.joinable()) thread_.join();
  if (watch_.joinable()) watch_.join();
  replies_.Close();
}

void Loop::Call(const MakeEvent& make_event, Replies::Receiver receiver) {
  if (!store_available()) {
    return receiver(
        Failure(ErrorCode::kUnavailable,
                "the coordinator cannot reach its store (Redis); try again shortly. Running "
                "jobs go on meanwhile."));
  }
  const core::Ticket ticket = replies_.Draw(std::move(receiver));
  if (Post(make_event(ticket))) return;
  if (const auto untold = replies_.Forget(ticket)) {
    untold(Failure(ErrorCode::kUnavailable,
                   "the coordinator is overloaded or stopping; try again shortly."));
  }
}

Result<domain::Job> Loop::Call(const MakeEvent& make_event) {
  const auto reply = std::make_shared<std::promise<Result<domain::Job>>>();
  Call(make_event, [reply](Result<domain::Job> job) { reply->set_value(std::move(job)); });
  return reply->get_future().get();
}

void Loop::WatchCalls() {
  while (WaitBeforeRetry(options_.tick)) replies_.Expire();
}

core::Now Loop::Now() const {
  return {context_.clock.Now(), context_.clock.MonotonicNow()};
}

void Loop::Run() {
  const MonotonicInstant now = context_.clock.MonotonicNow();
  timers_.tick = now;
  timers_.renewal = now + options_.leadership / 3;
  // Jobs that were pending before the start wait for no other event.
  timers_.schedule = now;
  while (Turn()) {
  }
  replies_.Close();
}

bool Loop::Turn() {
  std::vector<core::Event> events = NextEvents();
  bool stopping = false;
  {
    const std::lock_guard lock(stop_mutex_);
    stopping = stopping_;
  }
  if (stopping && events.empty()) return false;
  std::vector<core::Commit> commits;
  std::vector<Effects> effects;
  commits.reserve(events.size());
  effects.reserve(events.size());
  for (core::Event& event : events) {
    core::Outcome outcome = core::Step(state_, std::move(event), Now());
    commits.push_back(std::move(outcome.commit));
    effects.push_back(std::move(outcome.after_commit));
  }
  if (!CommitAll(commits)) return false;
  for (std::size_t i = 0; i < commits.size(); ++i) {
    if (!commits[i].Empty()) Publish(commits[i]);
    for (core::Effect& effect : effects[i]) RunEffect(effect);
  }
  return !failed_ && KeepLeadership();
}

std::vector<core::Event> Loop::NextEvents() {
  MonotonicInstant now = context_.clock.MonotonicNow();
  const MonotonicInstant due = std::min(timers_.tick, timers_.schedule.value_or(timers_.tick));
  const Duration wait = std::max(Duration::zero(), Duration(due - now));
  std::vector<core::Event> events = queue_.Take(options_.batch_limit, wait);
  now = context_.clock.MonotonicNow();
  if (now >= timers_.tick) {
    events.emplace_back(core::Ticked{});
    timers_.tick = now + options_.tick;
    metrics_.Refresh(context_.view);
    context_.telemetry.Set(telemetry::metrics::kEventQueue, static_cast<double>(queue_.size()));
  }
  if (timers_.schedule && now >= *timers_.schedule) {
    events.emplace_back(core::ScheduleDue{});
    timers_.schedule.reset();
    timers_.last_schedule = now;
  }
  return events;
}

bool Loop::CommitAll(const std::vector<core::Commit>& commits) {
  if (std::all_of(commits.begin(), commits.end(), [](const auto& c) { return c.Empty(); })) {
    return true;
  }
  const auto status = UntilAvailable<Status>([&] { return context_.store.Commit(commits); });
  if (!status) return false;
  if (*status) return true;
  Fail(status->error().WithContext("the coordinator lost its lead"));
  return false;
}

template <class Answer>
std::optional<Answer> Loop::UntilAvailable(const std::function<Answer()>& call) {
  Duration wait = kFirstRetry;
  while (true) {
    Answer answer = call();
    const bool transient = !answer && storage::IsTransient(answer.error().code);
    SetAvailable(!transient, answer ? nullptr : &answer.error());
    if (!transient) return answer;
    if (!WaitBeforeRetry(wait)) return std::nullopt;
    wait = std::min(wait * 2, kLongestRetry);
  }
}

bool Loop::WaitBeforeRetry(Duration time) {
  std::unique_lock lock(stop_mutex_);
  return !stop_signal_.wait_for(lock, time, [this] { return stopping_; });
}

void Loop::SetAvailable(bool available, const Error* error) {
  if (store_available_.exchange(available) == available) return;
  context_.telemetry.Set(telemetry::metrics::kStoreAvailable, available ? 1 : 0);
  if (available) {
    log::Info("store_back");
  } else {
    log::Failure("store_unavailable", {{"error", ToString(*error)}});
  }
}

void Loop::Publish(const core::Commit& commit) {
  context_.view.Apply(commit);
  metrics_.Count(commit, context_.clock.Now());
  for (const core::Transition& change : commit.transitions) {
    log::Info("job_changed", {{"job", change.job.value()},
                              {"attempt", change.attempt.value()},
                              {"from", domain::ToString(change.from)},
                              {"to", domain::ToString(change.to)},
                              {"trigger", core::ToString(change.trigger)}});
  }
}

void Loop::RunEffect(core::Effect& effect) {
  std::visit(Overloaded{[this](const core::SendToNode& send) {
                          if (const auto* start = std::get_if<core::StartAttempt>(&send.command)) {
                            StartAttempt(send, *start);
                          } else {
                            context_.nodes.Send(send.session, send.command);
                          }
                        },
                        [this](const core::CloseSession& close) {
                          context_.nodes.Close(close.session, close.reason);
                        },
                        [this](core::Reply& reply) {
                          replies_.Deliver(reply.ticket, std::move(reply.result));
                        },
                        [this](const core::RequestSchedule&) {
                          const MonotonicInstant soon =
                              std::max(context_.clock.MonotonicNow(),
                                       timers_.last_schedule + options_.scheduling_interval);
                          timers_.schedule = std::min(timers_.schedule.value_or(soon), soon);
                        }},
             effect);
}

void Loop::StartAttempt(const core::SendToNode& send, const core::StartAttempt& start) {
  const auto order = UntilAvailable<Result<StartOrder>>([&] { return MakeOrder(start); });
  if (!order) return;
  if (*order) {
    context_.nodes.Start(send.session, **order);
    return;
  }
  // Damaged data of this one job: it fails with the reason, the others go on.
  const Error error = order->error().WithContext("read what the job needs");
  log::Failure("attempt_not_startable",
               {{"job", start.spec.id.value()}, {"error", ToString(error)}});
  domain::AttemptReport report;
  report.key = {start.spec.id, start.attempt};
  report.phase = domain::AttemptPhase::kFailed;
  report.failure_class = domain::FailureClass::kUser;
  report.message = error.message;
  Post(core::AttemptReported{send.session, send.node, std::move(report)});
}

Result<StartOrder> Loop::MakeOrder(const core::StartAttempt& start) {
  StartOrder order{start, "", 0};
  LATHE_ASSIGN_OR_RETURN(order.configuration,
                         context_.store.ReadConfiguration(start.spec.configuration_hash));
  if (start.attempt.value() > 1) {
    LATHE_ASSIGN_OR_RETURN(order.reported_step, context_.store.HighestMetricStep(start.spec.id));
  }
  return order;
}

bool Loop::KeepLeadership() {
  const MonotonicInstant now = context_.clock.MonotonicNow();
  if (now < timers_.renewal) return true;
  timers_.renewal = now + options_.leadership / 3;
  const Status status = context_.store.RenewLeadership(options_.leadership);
  if (status || storage::IsTransient(status.error().code)) {
    SetAvailable(status.has_value(), status ? nullptr : &status.error());
    // Away: ask again soon, so that callers are served as soon as it is back.
    if (!status) timers_.renewal = now + options_.tick;
    return true;
  }
  Fail(status.error().WithContext("the coordinator lost its lead"));
  return false;
}

void Loop::Fail(const Error& error) {
  failed_ = true;
  queue_.Close();
  log::Failure("loop_failed", {{"error", ToString(error)}});
  if (on_fatal_) on_fatal_(error);
}

}  // namespace lathe::runtime
