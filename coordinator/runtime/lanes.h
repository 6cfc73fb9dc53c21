#pragma once
// A few threads for work that many callers wait for. A call that waits for the store then holds no
// thread: it comes in by Begin, and what is left of it, once the answer is there, by GoOn.
// Thread-safe.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lathe::runtime {

class Lanes {
 public:
  using Work = std::function<void()>;

  /// At most `capacity` that have not begun.
  Lanes(std::size_t threads, std::size_t capacity);
  /// Does all that it has been given first.
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  /// False when too many wait already; the work is then not taken. It must not throw.
  bool Begin(Work work);
  /// The rest of what has begun: always taken, and done before anything new.
  void GoOn(Work work);

 private:
  void Run();

  const std::size_t capacity_;
  std::mutex mutex_;  // guards all below
  std::condition_variable filled_;
  std::deque<Work> begun_;
  std::deque<Work> new_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lathe::runtime
