#include "coordinator/cli/commands/watch.h"

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/follow.h"
#include "coordinator/cli/client/job_reference.h"
#include "coordinator/cli/commands/job_text.h"
#include "coordinator/cli/commands/watch_view.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {
namespace {

constexpr std::chrono::milliseconds kFrame{100};

/// One watch: a thread follows the job, on a terminal another one its metrics; the caller's thread
/// draws.
class Watcher {
 public:
  Watcher(Context& context, CoordinatorClient& client, std::string id)
      : context_(context), client_(client), id_(std::move(id)) {}

  /// Until the job has ended, Ctrl-C, an error, or the deadline.
  Outcome Run(std::optional<double> timeout_seconds) {
    const Interrupt::Scope scope(context_.interrupt, [this] { client_.CancelCalls(); });
    const bool draws = context_.terminal.out && context_.options.format == OutputFormat::kTable;
    std::thread job([this] { FollowJob(); });
    std::thread events([this, draws] {
      if (draws) FollowMetrics();
    });
    const bool in_time = DrawUntilDone(draws, timeout_seconds);
    client_.CancelCalls();
    job.join();
    events.join();
    if (draws) Draw();
    return Conclusion(in_time);
  }

 private:
  bool IsOver() const { return IsFinal(state_.job.state()); }

  void FollowJob() {
    Status status = Follow({
        .call =
            [this](const std::function<void()>& heard) {
              return client_.WatchJob(id_, [&](const v1::Job& job) {
                heard();
                OnJob(job);
              });
            },
        .finished =
            [this] {
              const std::lock_guard lock(mutex_);
              return IsOver();
            },
        .stopped = [this] { return context_.interrupt.Happened() || client_.cancelled(); },
        .on_connection = [this](const std::string& loss) { OnConnection(loss); },
    });
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
    done_ = true;
    changed_.notify_all();
  }

  void FollowMetrics() {
    v1::StreamJobEventsRequest request;
    request.set_id(id_);
    request.set_follow(true);
    request.add_types("metric");
    request.add_types("evaluation");
    bool ended = false;
    // Its errors are left to the other stream: without metrics there is merely no plot.
    static_cast<void>(Follow({
        .call =
            [&](const std::function<void()>& heard) {
              Status status = client_.StreamJobEvents(request, [&](const v1::JobEvent& event) {
                heard();
                request.set_after_id(event.id());
                OnMetric(event);
              });
              ended = status.has_value();
              return status;
            },
        .finished = [&] { return ended; },
        .stopped = [this] { return context_.interrupt.Happened() || client_.cancelled(); },
        .on_connection = [](const std::string&) {},
    }));
  }

  void OnJob(const v1::Job& job) {
    const std::lock_guard lock(mutex_);
    state_.job = job;
    state_.notice.clear();
    changed_.notify_all();
    if (context_.options.format == OutputFormat::kJson) {
      context_.out << ToDocument(job).dump() << std::endl;
    } else if (context_.options.format == OutputFormat::kYaml) {
      context_.out << "---\n" << ToYaml(ToDocument(job)) << std::flush;
    } else if (!context_.terminal.out) {
      if (const auto line = lines_.Next(job)) context_.out << *line << std::endl;
    }
  }

  void OnMetric(const v1::JobEvent& event) {
    const auto fields = nlohmann::json::parse(event.json(), nullptr, false);
    if (!fields.is_object() || !fields.contains("step") || !fields.contains("loss")) return;
    if (!fields["step"].is_number() || !fields["loss"].is_number()) return;
    const std::lock_guard lock(mutex_);
    auto& points = event.type() == "metric" ? state_.losses : state_.evaluations;
    points.push_back({fields["step"].get<double>(), fields["loss"].get<double>()});
    changed_.notify_all();
  }

  void OnConnection(const std::string& loss) {
    const std::lock_guard lock(mutex_);
    const bool first = state_.notice.empty() && !loss.empty();
    state_.notice = loss.empty() ? "" : "The connection is lost; reconnecting ...";
    changed_.notify_all();
    if (first && !context_.terminal.out) Note(context_, loss + "; reconnecting ...");
  }

  bool DrawUntilDone(bool draws, std::optional<double> timeout_seconds) {
    const auto start = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (!done_) {
      if (timeout_seconds &&
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() >=
              *timeout_seconds) {
        return false;
      }
      changed_.wait_for(lock, kFrame);
      if (!draws || state_.job.id().empty()) continue;
      DrawLocked();
      // At most ten frames a second, however fast the updates come.
      lock.unlock();
      std::this_thread::sleep_for(kFrame);
      lock.lock();
    }
    return true;
  }

  void Draw() {
    const std::lock_guard lock(mutex_);
    if (!state_.job.id().empty()) DrawLocked();
  }

  void DrawLocked() {
    const std::vector<std::string> block = WatchBlock(state_, context_.terminal);
    if (block == drawn_) return;
    std::string frame;
    if (!drawn_.empty()) frame += "\033[" + std::to_string(drawn_.size()) + "A";
    for (const std::string& line : block) frame += "\r\033[2K" + line + "\n";
    context_.out << frame << "\033[J" << std::flush;
    drawn_ = block;
  }

  Outcome Conclusion(bool in_time) {
    const std::string come_back =
        "come back with `lathe watch " + id_ + "`, or end it with `lathe cancel " + id_ + "`";
    if (context_.interrupt.Happened()) {
      Note(context_, "The job goes on: " + come_back + ".");
      return ExitCode::kInterrupted;
    }
    if (!in_time) {
      PrintError(context_,
                 Error{ErrorCode::kDeadlineExceeded,
                       "the job " + id_ + " has not ended in the given time",
                       {},
                       come_back},
                 ExitCode::kWaitTimedOut);
      return ExitCode::kWaitTimedOut;
    }
    if (!status_) return Failure(status_.error());
    if (state_.job.state() == v1::JOB_STATE_SUCCEEDED) return ExitCode::kOk;
    PrintError(context_,
               Error{ErrorCode::kInternal,
                     "the job " + id_ +
                         (state_.job.state() == v1::JOB_STATE_FAILED ? " failed — "
                                                                     : " was cancelled — ") +
                         state_.job.reason(),
                     {},
                     "`lathe logs " + id_ + "` shows what its trainer said"},
               ExitCode::kFailed);
    return ExitCode::kFailed;
  }

  Context& context_;
  CoordinatorClient& client_;
  const std::string id_;

  std::mutex mutex_;  // guards what follows, and standard output while the threads run
  std::condition_variable changed_;
  WatchState state_;
  PipeLines lines_;
  std::vector<std::string> drawn_;
  Status status_;
  bool done_ = false;
};

}  // namespace

Outcome RunWatch(Context& context, const WatchOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const std::string id, ResolveJobId(*client, options.job));
  return Watcher(context, *client, id).Run(options.timeout_seconds);
}

}  // namespace lathe::cli
