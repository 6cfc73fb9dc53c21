#include "coordinator/cli/client/follow.h"

#include <chrono>
#include <thread>

#include "common/rpc/backoff.h"

namespace lathe::cli {
namespace {

constexpr std::chrono::minutes kPatience{10};

/// What a coordinator that goes away leaves behind.
bool IsConnectionLoss(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kCancelled ||
         code == ErrorCode::kAborted || code == ErrorCode::kDeadlineExceeded;
}

}  // namespace

Status Follow(const FollowHooks& hooks) {
  using SteadyClock = std::chrono::steady_clock;
  rpc::Backoff backoff(std::chrono::milliseconds(200), std::chrono::seconds(3), 1);
  bool heard_ever = false;
  bool lost = false;
  auto last_heard = SteadyClock::now();
  while (true) {
    const Status status = hooks.call([&] {
      if (lost) hooks.on_connection("");
      heard_ever = true;
      lost = false;
      last_heard = SteadyClock::now();
      backoff.Reset();
    });
    if (hooks.finished() || hooks.stopped()) return {};
    if (!status && (!heard_ever || !IsConnectionLoss(status.error().code))) return status;
    if (SteadyClock::now() - last_heard > kPatience) {
      return status ? Failure(ErrorCode::kUnavailable, "the coordinator keeps ending the stream")
                    : status;
    }
    lost = true;
    hooks.on_connection(status ? "the coordinator ended the stream" : status.error().message);
    std::this_thread::sleep_for(backoff.Next());
  }
}

}  // namespace lathe::cli
