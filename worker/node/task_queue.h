#pragma once
// The way into a loop: any thread posts, one thread runs what was posted, in order. The only lock
// between the daemon's threads and the state its loop owns.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "common/base/clock.h"

namespace lathe::worker {

class TaskQueue {
 public:
  using Task = std::function<void()>;

  /// Thread-safe.
  void Post(Task task);
  /// Waits at most that long for the first task, then runs all that are there.
  void RunFor(Duration limit);

 private:
  std::mutex mutex_;  // guards tasks_
  std::condition_variable posted_;
  std::deque<Task> tasks_;
};

}  // namespace lathe::worker
