#include "worker/trainer/loop/stop_signals.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <utility>

#include "common/base/check.h"

namespace lathe::trainer::loop {

StopSignals::StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, number);
  LATHE_CHECK(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0, "signals cannot be blocked");
  fd_.Reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  LATHE_CHECK(fd_.get() >= 0, "signalfd failed");
}

bool StopSignals::StopRequested() {
  Read();
  return stop_;
}

bool StopSignals::TakeCheckpointRequest() {
  Read();
  return std::exchange(checkpoint_, false);
}

void StopSignals::Read() {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    (info.ssi_signo == SIGUSR1 ? checkpoint_ : stop_) = true;
  }
}

}  // namespace lathe::trainer::loop
