#pragma once
// Keeps a write to a connection that the peer has closed from ending the process: hiredis uses
// write(2), which raises SIGPIPE. While it lives, the calling thread takes none; the destructor
// removes one that has been raised and restores the thread's mask.

#include <signal.h>

#include <ctime>

namespace lathe::storage {

class SigpipeGuard {
 public:
  SigpipeGuard() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~SigpipeGuard() {
    const timespec at_once{};
    while (sigtimedwait(&pipe_, nullptr, &at_once) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
};

}  // namespace lathe::storage
