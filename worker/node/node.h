#pragma once
// The daemon's one loop: feeds the agent with what the coordinator says and the runners tell, and
// carries the agent's actions out. All state is touched by the thread in Run alone; everything else
// posts to it.

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/artifacts/client.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/telemetry/telemetry.h"
#include "lathe/v1/worker_service.pb.h"
#include "worker/agent/agent.h"
#include "worker/attempt/attempt_runner.h"
#include "worker/cache/blob_cache.h"
#include "worker/generate/generator.h"
#include "worker/node/config.h"
#include "worker/node/event_sender.h"
#include "worker/node/fact_finder.h"
#include "worker/node/heartbeats.h"
#include "worker/node/inventory.h"
#include "worker/node/task_queue.h"
#include "worker/session/session.h"

namespace lathe::worker {

class Node {
 public:
  struct Parts {
    const Config& config;
    const Clock& clock;
    telemetry::Telemetry& telemetry;
    Inventory& inventory;
    std::shared_ptr<grpc::Channel> artifact_channel;
    session::Connect connect;
  };

  Node(Parts parts, std::string node_id);
  ~Node();

  /// Adopts what an earlier daemon left, then works until Stop. The error is that of a coordinator
  /// that refuses this worker for good. Trainers are left running.
  Status Run();
  /// Thread-safe.
  void Stop();

 private:
  struct Attempt {
    std::unique_ptr<attempt::AttemptRunner> runner;
    std::unique_ptr<EventSender> sender;
    bool ended = false;
  };

  attempt::Surroundings MakeSurroundings();
  session::Callbacks MakeCallbacks();
  generate::Generator::Surroundings MakeGeneratorSurroundings();

  void Recover();
  void RecoverJob(const attempt::JobFolder& folder);
  void RemoveOldFolders();
  void CloseSession();
  Duration TimeToNextTimer() const;
  void RunTimers();

  void Handle(const agent::Event& event);
  void Perform(const agent::Begin& action);
  void Perform(const agent::Terminate& action);
  void Perform(const agent::Kill& action);
  void Perform(const agent::SendReport& action);
  void Perform(const agent::ReportUnknown& action);
  void Perform(const agent::Forget& action);
  void Perform(const agent::Discard& action);
  Status TryBegin(const agent::Begin& action);
  attempt::AttemptRunner* RunnerOf(const agent::AttemptKey& key);
  Status AddRunner(const attempt::JobFolder& folder, attempt::AttemptRecord record);

  v1::Registration Registration();
  v1::AttemptReport ReportOf(const agent::SendReport& report);
  void OnOpened(const v1::Welcome& welcome, MonotonicInstant sent);
  void OnClosed(const Error& error);
  void OnMessage(const v1::CoordinatorMessage& message);
  void OnHeartbeatAck(const v1::HeartbeatAck& ack);
  void OnEventAck(const v1::EventAck& ack);
  void OnCheckpointUploaded(const v1::CheckpointReport& report);
  void OnFacts(const v1::NodeFacts& facts);
  void SendFacts();
  void OnEnded(const agent::AttemptEnded& event);
  void SendReport(v1::AttemptReport report);
  void PumpEvents();
  void UpdateGauges();

  Parts parts_;
  const std::string node_id_;
  const std::filesystem::path jobs_;
  const artifacts::Client artifacts_;
  cache::BlobCache cache_;
  TaskQueue queue_;
  const attempt::Surroundings surroundings_;
  agent::Agent agent_;
  Heartbeats heartbeats_;
  bool connected_ = false;
  MonotonicInstant next_housekeeping_;
  MonotonicInstant next_cleanup_;
  // Before the runners, whose threads use it until they end.
  std::unique_ptr<session::Session> session_;
  std::map<std::string, Attempt> attempts_;                   ///< by job
  std::map<std::string, v1::AttemptReport> failed_to_begin_;  ///< by job
  std::atomic<bool> stop_ = false;
  std::optional<Error> refused_;
  std::unique_ptr<generate::Generator> generator_;
  v1::NodeFacts facts_;
  std::unique_ptr<FactFinder> fact_finder_;
};

}  // namespace lathe::worker
