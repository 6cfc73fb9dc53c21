#pragma once
// Kernels on a CPU: the threads of a block are fibers of the calling thread, which run until a
// barrier or a shuffle and take turns there; blocks run one after another. Slow and exact. A
// barrier that some threads of a block do not reach ends the program, as does a shuffle within an
// incomplete warp. For one calling thread at a time: what a block shares is static.

#include <cstdint>
#include <cstring>
#include <functional>

namespace lathe::trainer::kernels::cuda {

unsigned ThreadIndex();
unsigned BlockIndex();
unsigned BlockSize();
unsigned GridSize();
void SyncBlock();

namespace emulation {
/// Which thread of a warp runs first between two barriers: what depends on it is a race.
enum class Order { kRising, kFalling };
void SetOrder(Order order);

std::uint64_t Exchange(std::uint64_t value, int mask);
void Run(std::int64_t blocks, int threads, const std::function<void()>& kernel);
}  // namespace emulation

template <class T>
T ShuffleXor(T value, int mask) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = emulation::Exchange(bits, mask);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class... Parameters, class... Arguments>
void Launch(void (*kernel)(Parameters...), std::int64_t blocks, int threads, void* /*stream*/,
            const Arguments&... arguments) {
  emulation::Run(blocks, threads, [&] { kernel(arguments...); });
}

inline const char* LaunchError() {
  return nullptr;
}

}  // namespace lathe::trainer::kernels::cuda
