#pragma once
// A coordinator on a real gRPC server that does what the test tells it: says what it is told to
// say, keeps what it hears, acknowledges or stays silent. Thread-safe.

#include <grpcpp/server.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/artifacts/blob_store.h"
#include "lathe/v1/artifact_service.grpc.pb.h"
#include "lathe/v1/worker_service.grpc.pb.h"

namespace lathe::worker {

struct Script {
  double lease_seconds = 5;
  double heartbeat_seconds = 0.1;
  bool ack_heartbeats = true;
  bool ack_events = true;
  bool ack_reports = true;
  bool refuse_version = false;
};

class ScriptedCoordinator {
 public:
  ScriptedCoordinator(const std::filesystem::path& folder, Script script = {});
  ~ScriptedCoordinator();

  /// "unix:…": the same over a Stop and Start.
  const std::string& address() const { return address_; }
  void Start();
  void Stop();
  void SetScript(const Script& script);

  /// To the newest session.
  void Send(const v1::CoordinatorMessage& message);
  v1::Blob Put(const std::string& bytes);
  std::string Get(const v1::Blob& blob) const;

  /// The first message for which the predicate holds, waiting up to 10 s; nullopt when none came.
  std::optional<v1::WorkerMessage> WaitFor(
      const std::function<bool(const v1::WorkerMessage&)>& wanted);
  /// The final report of an attempt.
  std::optional<v1::AttemptReport> WaitForEnd(const std::string& job, unsigned attempt);
  std::optional<v1::AttemptReport> WaitForStart(const std::string& job, unsigned attempt);
  std::optional<v1::Registration> WaitForRegistration(std::size_t count);
  /// Events of a job in the order of their ids (attempt, sequence), each id once.
  std::vector<std::string> EventsOf(const std::string& job);
  /// Steps of the metrics among them.
  std::vector<int> StepsOf(const std::string& job);
  /// Waits for so many metrics.
  bool WaitForSteps(const std::string& job, std::size_t count);
  /// Messages in the order heard.
  std::vector<v1::WorkerMessage> Heard();
  void Forget();

 private:
  class Sessions;
  class Artifacts;
  using Stream = grpc::ServerReaderWriter<v1::CoordinatorMessage, v1::WorkerMessage>;

  grpc::Status Serve(Stream& stream);
  void Answer(const v1::WorkerMessage& message, Stream& stream);
  bool WaitUntil(const std::function<bool()>& condition);

  const std::string address_;
  const artifacts::BlobStore blobs_;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  Script script_;
  std::vector<v1::WorkerMessage> heard_;
  std::size_t registrations_ = 0;
  std::map<std::string, std::map<std::pair<unsigned, std::uint64_t>, std::string>> events_;
  Stream* stream_ = nullptr;
  std::unique_ptr<Sessions> sessions_;
  std::unique_ptr<Artifacts> artifacts_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace lathe::worker
