#pragma once
// at::parallel_for on std::thread, in place of torch's header where the thread sanitizer looks on:
// it does not see what OpenMP's runtime orders, which is not instrumented, and would take every
// loop for a race with what comes before and after it. Divides a range as torch does, except that
// threads are started anew each time.

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace at {

// Exported by torch's library.
int get_num_threads();
void set_num_threads(int threads);

namespace std_threads {
inline thread_local bool inside = false;
}

/// f(from, to) on parts of [begin, end), each of at least `grain` indices except the last, on as
/// many threads as there are, the caller's among them; one part, when called within such a loop.
/// `f` must not throw.
template <class F>
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, const F& f) {
  if (begin >= end) return;
  const std::int64_t most = std_threads::inside ? 1 : get_num_threads();
  const std::int64_t least = std::max<std::int64_t>(grain, 1);
  const std::int64_t parts = std::clamp<std::int64_t>((end - begin + least - 1) / least, 1, most);
  const std::int64_t size = (end - begin + parts - 1) / parts;
  const auto run = [&](std::int64_t from) {
    const bool outer = std_threads::inside;
    std_threads::inside = true;
    f(from, std::min(end, from + size));
    std_threads::inside = outer;
  };
  std::vector<std::thread> threads;
  for (std::int64_t from = begin + size; from < end; from += size) threads.emplace_back(run, from);
  run(begin);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace at
