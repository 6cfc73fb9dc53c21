#pragma once
// The loop's inbox: many producers, one consumer, bounded. Producers never wait: a full queue is
// told to them, and they tell their caller. Thread-safe.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <vector>

#include "common/base/clock.h"
#include "coordinator/core/events.h"

namespace lathe::runtime {

class EventQueue {
 public:
  explicit EventQueue(std::size_t capacity) : capacity_(capacity) {}

  /// False when the queue is full or closed; the event is then not taken.
  bool Push(core::Event event);

  /// Up to `limit` events in order, waiting at most that long for the first. Empty: time is over
  /// or the queue was closed.
  std::vector<core::Event> Take(std::size_t limit, Duration wait);

  /// No further event is taken in; those that wait can still be taken out.
  void Close();
  std::size_t size() const;

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<core::Event> events_;
  bool closed_ = false;
};

}  // namespace lathe::runtime
