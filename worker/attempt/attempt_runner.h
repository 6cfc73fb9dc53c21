#pragma once
// Carries one attempt through its life on the node, in a thread of its own: prepares the folder,
// launches or adopts the trainers, takes over its events, uploads what it made, and writes down how
// it ended. Decides nothing: when to stop or kill is the agent's business. The destructor ends the
// thread and leaves the trainers running, for the next daemon to adopt.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/base/unique_fd.h"
#include "lathe/v1/worker_service.pb.h"
#include "worker/agent/events.h"
#include "worker/attempt/attempt_record.h"
#include "worker/attempt/checkpoint_uploader.h"
#include "worker/attempt/job_folder.h"
#include "worker/attempt/preparation.h"
#include "worker/cache/blob_cache.h"
#include "worker/process/outcome.h"
#include "worker/process/trainer_ranks.h"
#include "worker/spool/collector.h"
#include "worker/spool/spool.h"

namespace lathe::worker::attempt {

/// What every runner of a node uses. All functions are called from runner threads.
struct Surroundings {
  std::filesystem::path trainer;  ///< program lathe-trainer
  const Clock& clock;
  cache::BlobCache& cache;
  FindModel find_model;
  CheckpointUploader::UploadFolder upload_folder;
  std::function<void(const agent::Event&)> happened;
  std::function<void()> spool_grew;
  std::function<void(const v1::CheckpointReport&)> checkpoint_uploaded;
};

class AttemptRunner {
 public:
  /// Of a new attempt (stage kAccepted, saved) or of one that an earlier daemon left.
  static Result<std::unique_ptr<AttemptRunner>> Create(const Surroundings& surroundings,
                                                       JobFolder folder, AttemptRecord record);
  ~AttemptRunner();

  /// Starts the thread; once. Not for an attempt that has ended.
  void Start();
  /// Each takes effect within a moment. Thread-safe.
  void Terminate();
  void Kill(agent::KillReason reason);

  const agent::AttemptKey& key() const { return key_; }
  const JobFolder& folder() const { return folder_; }
  spool::Spool& spool() { return *spool_; }
  /// The final report, once the end has been announced.
  v1::AttemptReport report() const;

 private:
  AttemptRunner(const Surroundings& surroundings, JobFolder folder, AttemptRecord record,
                std::unique_ptr<spool::Spool> spool);

  void Run();
  bool Prepare();
  bool Launch();
  std::vector<process::LaunchSpec> LaunchSpecs() const;
  bool NoteLaunched();
  void RemoveRendezvous() const;
  bool Watch();
  void Obey();
  void Collect(spool::Collector& collector);
  bool CollectRest(spool::Collector& collector);
  std::string KillReasonText() const;
  process::Remains Examine() const;
  void Conclude(process::Outcome outcome);
  void AttachAdapter(process::Outcome& outcome);
  void AttachCheckpoint();
  void FailToStart(const Error& error);
  Result<v1::Manifest> UploadPatiently(const std::filesystem::path& folder);
  bool Pause(Duration time);
  bool SaveRecord();
  bool Abandoned() const { return leave_ || unwanted_; }

  const Surroundings& surroundings_;
  const agent::AttemptKey key_;
  const JobFolder folder_;
  const std::unique_ptr<spool::Spool> spool_;
  const UniqueFd wake_;                  ///< eventfd
  std::atomic<bool> leave_ = false;      ///< the daemon stops
  std::atomic<bool> terminate_ = false;  ///< TERM asked for
  std::atomic<bool> kill_ = false;       ///< KILL asked for
  std::atomic<bool> unwanted_ = false;   ///< nobody waits for its end any more
  mutable std::mutex mutex_;             // guards kill_reason_ and record_.report
  std::string kill_reason_;
  AttemptRecord record_;
  std::optional<process::TrainerRanks> trainers_;
  bool terminated_ = false;
  std::unique_ptr<CheckpointUploader> uploader_;
  std::thread thread_;
};

}  // namespace lathe::worker::attempt
