#pragma once
// The node's one stream to the coordinator: opens it, registers, keeps it open, opens it again with
// growing, jittered pauses, longer ones after a refusal. What was sent on a broken stream may be
// lost; the owner sends again what matters each time a session opens. Thread-safe; owns its
// threads. Callbacks come from those threads, one at a time.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "lathe/v1/worker_service.pb.h"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace lathe::worker::session {

inline constexpr std::uint32_t kProtocolVersion = 1;

struct Callbacks {
  /// What to register with; protocol version is filled in.
  std::function<v1::Registration()> registration;
  /// The coordinator has welcomed a registration that was sent then.
  std::function<void(const v1::Welcome&, MonotonicInstant sent)> opened;
  std::function<void(const v1::CoordinatorMessage&)> received;
  /// The stream is over; it will be opened again.
  std::function<void(const Error&)> closed;
  /// The coordinator speaks another protocol version: trying again is of no use. Nothing follows.
  std::function<void(const Error&)> refused;
};

/// A fresh channel to the coordinator. Each try gets its own: a channel that has failed waits by
/// its own growing pauses, beside those of the session, before it looks again.
using Connect = std::function<Result<std::shared_ptr<grpc::Channel>>()>;

class Session {
 public:
  Session(Connect connect, const Clock& clock, Callbacks callbacks);
  ~Session() { Close(); }

  void Start();
  /// Queues a message for the open stream; dropped when there is none.
  void Send(v1::WorkerMessage message);
  /// Closes the stream for good and waits for the threads; callbacks may come until it returns.
  void Close();
  /// Ends the stream, so that a new one registers what has changed.
  void Reopen();

 private:
  class Stream;
  void Run();
  Error RunOnce(bool& welcomed);
  bool Register(Stream& stream);
  void WriteQueued(Stream& stream, const std::stop_token& stop);
  bool Pause(Duration time);
  void Tell(const Error& error, bool welcomed);

  const Connect connect_;
  const Clock& clock_;
  const Callbacks callbacks_;
  std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  bool stopping_ = false;
  bool open_ = false;
  grpc::ClientContext* context_ = nullptr;  ///< of the running stream
  std::deque<v1::WorkerMessage> queue_;
  std::string told_;  ///< the last logged error; of the thread alone, like the next
  MonotonicInstant tell_again_;
  std::thread thread_;
};

}  // namespace lathe::worker::session
