#pragma once
// Tasks divided among threads. Private to this room; sources that include this are named in
// lathe_parallel().

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace lathe::trainer::kernels {

/// `work` is about the number of multiplications in all: little is not worth waking threads for.
inline std::int64_t ThreadsFor(std::int64_t work) {
  constexpr std::int64_t kLittle = std::int64_t{1} << 21;
  return work < kLittle ? 1 : at::get_num_threads();
}

struct NoScope {};

/// Calls body(task, worker) for every task; whoever is free takes the next one. `work` as above. A
/// Scope lives while a thread is at work.
template <class Scope = NoScope, class Body>
void ForTasks(std::int64_t tasks, std::int64_t work, const Body& body) {
  const std::int64_t workers = std::min(tasks, ThreadsFor(work));
  std::atomic<std::int64_t> next = 0;
  at::parallel_for(0, workers, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t worker = begin; worker < end; ++worker) {
      [[maybe_unused]] const Scope scope;
      while (true) {
        const std::int64_t task = next.fetch_add(1, std::memory_order_relaxed);
        if (task >= tasks) break;
        body(task, worker);
      }
    }
  });
}

}  // namespace lathe::trainer::kernels
