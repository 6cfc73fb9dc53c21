#pragma once
// Divides a product among threads: panels of columns, each of which is multiplied with all blocks
// of rows. A thread has panels of its own, next to each other, so that it knows which one it will
// need next; one that has none left takes over other threads' panels and, when there are no more,
// blocks of the panels that others are working on. So all are done at about the same time. Any
// number of the threads may run, also one after another.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

namespace lathe::trainer::kernels {

class PanelShares {
 public:
  PanelShares(std::int64_t panels, std::int64_t blocks, std::int64_t workers)
      : blocks_(blocks), workers_(static_cast<std::size_t>(workers)) {
    for (std::int64_t i = 0; i < workers; ++i) {
      Worker& worker = workers_[static_cast<std::size_t>(i)];
      worker.next = panels * i / workers;
      worker.end = panels * (i + 1) / workers;
    }
  }

  /// What a block is multiplied with.
  struct Place {
    std::int64_t owner = 0;  ///< the worker in whose space the panel lies
    std::int64_t panel = 0;
    std::int64_t next = -1;  ///< what this worker will probably prepare after it; -1: none
  };

  /// The work of one thread. prepare(panel) makes a panel ready in the worker's own space;
  /// multiply(block, place) multiplies a block with a panel.
  template <class Prepare, class Multiply>
  void Run(std::int64_t self, const Prepare& prepare, const Multiply& multiply) {
    Worker& own = workers_[static_cast<std::size_t>(self)];
    while (true) {
      // Whoever finds no panel left to take sees this before the space changes.
      own.open.store(kPreparing);
      const std::int64_t panel = Take(self);
      if (panel < 0) break;
      prepare(panel);
      own.next_block.store(0, std::memory_order_relaxed);
      own.open.store(panel, std::memory_order_release);
      const std::int64_t following = own.next.load(std::memory_order_relaxed);
      const Place place{self, panel, following < own.end ? following : -1};
      for (std::int64_t block = NextBlock(own); block < blocks_; block = NextBlock(own)) {
        multiply(block, place);
      }
    }
    own.open.store(kNone);
    Help(multiply);
  }

 private:
  static constexpr std::int64_t kNone = -1;
  static constexpr std::int64_t kPreparing = -2;

  /// Padded: each is written to by its own thread all the time.
  struct alignas(128) Worker {
    std::atomic<std::int64_t> next = 0;  ///< panel
    std::int64_t end = 0;
    std::atomic<std::int64_t> open = kNone;  ///< the panel in its space
    std::atomic<std::int64_t> next_block = 0;
  };

  /// A panel nobody has taken; -1: there are none.
  std::int64_t Take(std::int64_t self) {
    const std::size_t count = workers_.size();
    for (std::size_t i = 0; i < count; ++i) {
      Worker& from = workers_[(static_cast<std::size_t>(self) + i) % count];
      if (from.next.load() >= from.end) continue;
      const std::int64_t panel = from.next.fetch_add(1);
      if (panel < from.end) return panel;
    }
    return -1;
  }

  std::int64_t NextBlock(Worker& worker) const {
    return worker.next_block.fetch_add(1, std::memory_order_relaxed);
  }

  /// No panel can be taken any more, so that what is open from now on stays as it is.
  template <class Multiply>
  void Help(const Multiply& multiply) {
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      Worker& other = workers_[i];
      std::int64_t panel = other.open.load();
      while (panel == kPreparing) panel = other.open.load();
      if (panel == kNone) continue;
      for (std::int64_t block = NextBlock(other); block < blocks_; block = NextBlock(other)) {
        multiply(block, Place{static_cast<std::int64_t>(i), panel, -1});
      }
    }
  }

  std::int64_t blocks_;
  std::vector<Worker> workers_;
};

}  // namespace lathe::trainer::kernels
