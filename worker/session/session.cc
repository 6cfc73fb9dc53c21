#include "worker/session/session.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <random>
#include <utility>

#include "common/base/log.h"
#include "common/rpc/backoff.h"
#include "common/rpc/credentials.h"
#include "common/rpc/status.h"
#include "lathe/v1/worker_service.grpc.pb.h"

namespace lathe::worker::session {
namespace {

constexpr std::chrono::milliseconds kFirstPause{200};
constexpr std::chrono::seconds kLongestPause{1};
// A refusal needs a person: another certificate, which each try reads anew.
constexpr std::chrono::seconds kLongestPauseRefused{10};
constexpr std::chrono::seconds kTellAgain{30};

std::uint64_t Seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

// The call and its two directions.
class Session::Stream {
 public:
  explicit Stream(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(channel), call_(stub_.Session(&context_)) {}

  grpc::ClientContext& context() { return context_; }
  bool Write(const v1::WorkerMessage& message) { return call_->Write(message); }
  bool Read(v1::CoordinatorMessage& message) {
    ended_ = !call_->Read(&message);
    return !ended_;
  }
  Error Finish() {
    // Cancelling a call that the server has ended would hide why it did.
    if (!ended_) context_.TryCancel();
    const grpc::Status status = call_->Finish();
    if (status.ok()) return Error{ErrorCode::kUnavailable, "the coordinator closed the stream", {}};
    return rpc::FromStatus(status);
  }

 private:
  bool ended_ = false;
  grpc::ClientContext context_;
  v1::WorkerService::Stub stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>> call_;
};

Session::Session(Connect connect, const Clock& clock, Callbacks callbacks)
    : connect_(std::move(connect)), clock_(clock), callbacks_(std::move(callbacks)) {}

void Session::Close() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Session::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Session::Send(v1::WorkerMessage message) {
  const std::lock_guard lock(mutex_);
  if (!open_) return;
  queue_.push_back(std::move(message));
  changed_.notify_all();
}

void Session::Reopen() {
  const std::lock_guard lock(mutex_);
  if (context_ != nullptr) context_->TryCancel();
}

void Session::Run() {
  rpc::Backoff outage(kFirstPause, kLongestPause, Seed());
  rpc::Backoff refusal(kFirstPause, kLongestPauseRefused, Seed());
  while (true) {
    bool welcomed = false;
    const Error error = RunOnce(welcomed);
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    if (error.code == ErrorCode::kFailedPrecondition) return callbacks_.refused(error);
    if (welcomed) {
      callbacks_.closed(error);
      outage.Reset();
      refusal.Reset();
    }
    Tell(error, welcomed);
    const bool refused = error.code == ErrorCode::kPermissionDenied;
    if (!Pause(refused ? refusal.Next() : outage.Next())) return;
  }
}

// An outage is tried out every second; the same words again and again would bury the rest.
void Session::Tell(const Error& error, bool welcomed) {
  const MonotonicInstant now = clock_.MonotonicNow();
  if (!welcomed && error.message == told_ && now < tell_again_) return;
  told_ = error.message;
  tell_again_ = now + kTellAgain;
  std::string text = ToString(error);
  if (error.code == ErrorCode::kPermissionDenied) {
    return log::Failure("session_refused", {{"error", text}});
  }
  if (rpc::LooksLikeTlsRefusal(error.message)) {
    text += " (it may want TLS, or other certificates: see tls.ca, tls.cert and tls.key)";
  }
  log::Warning("session_closed", {{"welcomed", welcomed}, {"error", text}});
}

Error Session::RunOnce(bool& welcomed) {
  const auto channel = connect_();
  if (!channel) return channel.error();
  Stream stream(*channel);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) stream.context().TryCancel();
    context_ = &stream.context();
    queue_.clear();
  }
  welcomed = Register(stream);
  if (welcomed) {
    const std::jthread writer(
        [this, &stream](const std::stop_token& stop) { WriteQueued(stream, stop); });
    v1::CoordinatorMessage message;
    while (stream.Read(message)) callbacks_.received(message);
  }
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
    context_ = nullptr;
  }
  return stream.Finish();
}

bool Session::Register(Stream& stream) {
  v1::WorkerMessage first;
  *first.mutable_registration() = callbacks_.registration();
  first.mutable_registration()->set_protocol_version(kProtocolVersion);
  // Before the sending: the lease must not begin later than the coordinator's count of it.
  const MonotonicInstant sent = clock_.MonotonicNow();
  v1::CoordinatorMessage answer;
  stream.Write(first);
  // Read even after a failed write: it fetches the reason.
  if (!stream.Read(answer) || !answer.has_welcome()) return false;
  {
    const std::lock_guard lock(mutex_);
    open_ = true;
  }
  callbacks_.opened(answer.welcome(), sent);
  return true;
}

void Session::WriteQueued(Stream& stream, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !queue_.empty(); })) {
    const v1::WorkerMessage message = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const bool written = stream.Write(message);
    lock.lock();
    // The reader learns of the broken stream too and ends it.
    if (!written) return;
  }
}

bool Session::Pause(Duration time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

}  // namespace lathe::worker::session
