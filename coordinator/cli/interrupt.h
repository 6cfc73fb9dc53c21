#pragma once
// Ctrl-C and TERM as a callback instead of a signal handler, so that a command can end its calls,
// say how to come back and leave with its own exit code.
//
// Made first in main: it blocks both signals for every thread that is started later. A thread of
// its own takes them: without a callback the process leaves with code 130 at once; so it does at
// the second signal.

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "common/base/unique_fd.h"

namespace lathe::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Whether a signal has come while a callback was set.
  bool Happened() const { return happened_; }

  /// Calls `callback` on the first signal while this scope lives; it must be safe in any thread.
  class Scope {
   public:
    Scope(Interrupt& interrupt, std::function<void()> callback);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupt& interrupt_;
  };

 private:
  void Run();
  void OnSignal();

  UniqueFd signals_;
  UniqueFd stop_;
  std::atomic<bool> happened_ = false;
  std::mutex mutex_;  // guards callback_
  std::function<void()> callback_;
  std::thread thread_;
};

}  // namespace lathe::cli
