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

  /// Called right before the request that may start the job; its error ends the start.
  using BeforeCreate = std::function<Status()>;

  /// The service's id of the job. `files` by role (FileRoles). kUnavailable when nobody knows
  /// whether it started: repeat it with the same marker. `before_create` may be empty.
  Result<std::string> Start(const v1::JobConfiguration& configuration, const std::string& marker,
                            const std::map<std::string, DataFile>& files,
                            const BeforeCreate& before_create) const;
  /// The job that a start with this marker made; empty when there is none. Needs no secrets.
  Result<std::string> Find(const v1::JobConfiguration& configuration,
                           const std::string& marker) const;
  /// Whether an event has been seen before.
  using KnowsEvent = std::function<bool(const RemoteEvent&)>;

  /// kNotFound when the service has no such job; kDataLoss when its answer can't be read. The
  /// newest events; with `knows` all of them back to one that it knows.
  Result<RemoteJob> Query(const std::string& job_id, const KnowsEvent& knows = nullptr) const;
  /// Asks for the end of the job. One that has ended already is no error.
  Status Cancel(const std::string& job_id) const;

 private:
  HttpRequest ToHttp(const EngineRequest& request, const RequestTemplate& from) const;
  Result<std::vector<RemoteEvent>> Events(Placeholders placeholders, const KnowsEvent& knows) const;
  HttpResult Call(const RequestTemplate& request, const Placeholders& placeholders) const;
  Result<Json> CallForJson(const RequestTemplate& request, const Placeholders& placeholders) const;
  /// The job of this marker; empty when there is none.
  Result<std::string> FindMarked(const Placeholders& placeholders) const;
  /// What stands in the body for the file.
  Result<std::string> Upload(const std::string& role, const DataFile& file,
                             Placeholders placeholders) const;
  Status UploadStep(const RequestTemplate& step, const DataFile& file,
                    Placeholders& placeholders) const;
  Result<std::string> Create(const v1::JobConfiguration& configuration,
                             Placeholders placeholders) const;

  const Engine& engine_;
  const Access access_;
  const HttpClient& http_;
};

}  // namespace lathe::providers
