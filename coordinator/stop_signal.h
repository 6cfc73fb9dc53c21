#pragma once
// What ends a daemon: TERM, INT, or one of its own threads that can't go on. Made first in main,
// before any other thread, since it blocks the two signals for all of them. Notify is thread-safe;
// Wait belongs to one thread.

#include <optional>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"

namespace lathe::coordinator {

class StopSignal {
 public:
  StopSignal();

  /// Wakes Wait from another thread.
  void Notify();
  /// True once a signal or Notify came, from then on at once; false when the time was over.
  /// Without a limit it waits until one comes.
  bool Wait(std::optional<Duration> limit = std::nullopt);

 private:
  UniqueFd signals_;
  UniqueFd notified_;
  bool stopped_ = false;
};

}  // namespace lathe::coordinator
