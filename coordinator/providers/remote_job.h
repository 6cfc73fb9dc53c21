#pragma once
// A job at a service that fine-tunes: started, asked for and cancelled by the engine's description.
// Every call is over HTTP and blocks. Thread-safe.
//
// A start cannot be doubled by repeating it: `marker` names it at the service (as the job's id, in
// its metadata or in its suffix), and a start that may have happened before is looked for first.

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/providers/engine.h"
#include "coordinator/providers/http_client.h"
#include "coordinator/providers/settings.h"
#include "coordinator/providers/translate.h"

namespace lathe::providers {

/// A file that goes with the job.
struct DataFile {
  std::filesystem::path path;
  std::string sha256;
};

enum class RemoteState { kUnknown, kStarting, kRunning, kSucceeded, kFailed, kCancelled };

struct RemoteEvent {
  std::string id;  ///< the service's own; empty where it gives none
  std::optional<Instant> time;
  std::string message;
  std::optional<std::uint64_t> step;
  std::optional<std::uint64_t> total_steps;
  std::optional<double> loss;
  std::optional<double> evaluation_loss;
  std::string failure;  ///< why the job has failed, where this event says so
};

/// What is known of a job's events already.
struct KnownEvents {
  std::function<bool(const RemoteEvent&)> knows;
  std::uint64_t last_step = 0;  ///< of the latest one with metrics; 0: none
};

struct RemoteJob {
  std::string id;
  RemoteState state = RemoteState::kUnknown;
  std::string their_state;
  std::string error;
  std::string model;
  std::optional<double> fraction;
  std::vector<RemoteEvent> events;  ///< oldest first
};

class RemoteEngine {
 public:
  /// `engine` and `http` must outlive it. `access` has a key.
  RemoteEngine(const Engine& engine, Access access, const HttpClient& http)
      : engine_(engine), access_(std::move(access)), http_(http) {}

  struct StartOptions {
    /// Called right before the request that may start the job; its error ends the start.
    std::function<Status()> before_create;
    /// True ends a transfer of data under way, and the start with it.
    std::function<bool()> cancelled;
    bool is_new = false;  ///< no request has been sent with this marker: none is looked for
  };

  /// The service's id of the job. `files` by role (FileRoles). kUnavailable when nobody knows
  /// whether it started: repeat it with the same marker. Where it has certainly not started, what
  /// was uploaded is taken away again; the error says what is still there.
  Result<std::string> Start(const v1::JobConfiguration& configuration, const std::string& marker,
                            const std::map<std::string, DataFile>& files,
                            const StartOptions& options) const;
  /// The job that a start with this marker made; empty when there is none. Needs no secrets.
  Result<std::string> Find(const v1::JobConfiguration& configuration,
                           const std::string& marker) const;
  /// kNotFound when the service has no such job; kDataLoss when its answer can't be read. The
  /// newest events; with `known` all of them back to those.
  Result<RemoteJob> Query(const std::string& job_id, const KnownEvents* known = nullptr) const;
  /// Asks for the end of the job. One that has ended already is no error.
  Status Cancel(const std::string& job_id) const;

 private:
  HttpRequest ToHttp(const EngineRequest& request, const RequestTemplate& from) const;
  Result<std::vector<RemoteEvent>> Events(const EventTemplate& form,
                                          const Placeholders& placeholders,
                                          const KnownEvents* known) const;
  Result<std::vector<RemoteEvent>> EventPages(const EventTemplate& form,
                                              const Placeholders& placeholders,
                                              const KnownEvents* known) const;
  HttpResult Call(const RequestTemplate& request, const Placeholders& placeholders) const;
  Result<Json> CallForJson(const RequestTemplate& request, const Placeholders& placeholders) const;
  /// The job of this marker; empty when there is none.
  Result<std::string> FindMarked(const Placeholders& placeholders) const;
  /// Uploads all files; `sent` has what each has left at the service, also those that failed.
  Status Upload(const std::map<std::string, DataFile>& files, const StartOptions& options,
                Placeholders& placeholders, std::vector<Placeholders>& sent) const;
  Status UploadStep(const RequestTemplate& step, const DataFile& file, const StartOptions& options,
                    Placeholders& placeholders) const;
  /// `error`, and what could not be taken away.
  Error Discard(Error error, const std::vector<Placeholders>& sent) const;
  struct CreateError {
    Error error;
    bool may_have_started = false;
  };
  tl::expected<std::string, CreateError> Create(const v1::JobConfiguration& configuration,
                                                Placeholders placeholders) const;

  const Engine& engine_;
  const Access access_;
  const HttpClient& http_;
};

}  // namespace lathe::providers
