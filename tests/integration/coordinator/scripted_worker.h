#pragma once
// A worker's stream played by a test, message by message.

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lathe/v1/worker_service.grpc.pb.h"

namespace lathe::testing {

class ScriptedWorker {
 public:
  explicit ScriptedWorker(const std::shared_ptr<grpc::Channel>& channel);
  ~ScriptedWorker();

  /// A registration of a node with one CPU slot and the model "tiny".
  static v1::Registration Registration(const std::string& node);
  void Register(const v1::Registration& registration);
  void Report(const v1::StartAttempt& start, v1::AttemptPhase phase,
              const v1::Manifest& adapter = {});
  /// Metric lines for these steps, numbered from `first_sequence`.
  void SendMetrics(const v1::StartAttempt& start, std::uint64_t first_sequence,
                   const std::vector<int>& steps);
  bool Write(const v1::WorkerMessage& message);

  /// The next message of that kind, those of other kinds being skipped; fails the test when the
  /// stream ends first.
  v1::CoordinatorMessage Expect(v1::CoordinatorMessage::BodyCase kind);
  /// The status the stream ends with.
  grpc::Status Finish();

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>> stream_;
  bool finished_ = false;
};

}  // namespace lathe::testing
