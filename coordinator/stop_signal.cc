#include "coordinator/stop_signal.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <array>
#include <cstdint>

#include "common/base/check.h"

namespace lathe::coordinator {

StopSignal::StopSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  LATHE_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0, "cannot block signals");
  // A peer that closes its connection is an error of that one write.
  ::signal(SIGPIPE, SIG_IGN);
  signals_.Reset(::signalfd(-1, &signals, SFD_CLOEXEC));
  notified_.Reset(::eventfd(0, EFD_CLOEXEC));
  LATHE_CHECK(signals_ && notified_, "cannot watch for signals");
}

void StopSignal::Notify() {
  const std::uint64_t one = 1;
  LATHE_CHECK(::write(notified_.get(), &one, sizeof one) == sizeof one, "cannot notify");
}

bool StopSignal::Wait(std::optional<Duration> limit) {
  if (stopped_) return true;
  std::array<pollfd, 2> fds = {{{signals_.get(), POLLIN, 0}, {notified_.get(), POLLIN, 0}}};
  const auto milliseconds =
      limit ? static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*limit).count()) : -1;
  stopped_ = ::poll(fds.data(), fds.size(), milliseconds) > 0;
  return stopped_ || (!limit && Wait(limit));
}

}  // namespace lathe::coordinator
