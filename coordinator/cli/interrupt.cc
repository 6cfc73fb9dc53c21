#include "coordinator/cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <utility>

#include "common/base/check.h"
#include "coordinator/cli/exit_code.h"

namespace lathe::cli {

Interrupt::Interrupt() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_.Reset(::signalfd(-1, &set, SFD_CLOEXEC));
  stop_.Reset(::eventfd(0, EFD_CLOEXEC));
  LATHE_CHECK(signals_ && stop_, "signalfd and eventfd are always there");
  thread_ = std::thread([this] { Run(); });
}

Interrupt::~Interrupt() {
  const std::uint64_t one = 1;
  LATHE_CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one, "an eventfd takes a number");
  thread_.join();
}

void Interrupt::Run() {
  std::array<pollfd, 2> waits = {
      {{.fd = signals_.get(), .events = POLLIN}, {.fd = stop_.get(), .events = POLLIN}}};
  while (true) {
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    if ((waits[1].revents & POLLIN) != 0) return;
    signalfd_siginfo received{};
    if (::read(signals_.get(), &received, sizeof received) == sizeof received) OnSignal();
  }
}

void Interrupt::OnSignal() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    callback = std::exchange(callback_, nullptr);
  }
  if (!callback) ::_exit(static_cast<int>(ExitCode::kInterrupted));
  happened_ = true;
  callback();
}

Interrupt::Scope::Scope(Interrupt& interrupt, std::function<void()> callback)
    : interrupt_(interrupt) {
  const std::lock_guard lock(interrupt_.mutex_);
  interrupt_.callback_ = std::move(callback);
}

Interrupt::Scope::~Scope() {
  const std::lock_guard lock(interrupt_.mutex_);
  interrupt_.callback_ = nullptr;
}

}  // namespace lathe::cli
