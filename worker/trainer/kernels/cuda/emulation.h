#pragma once
// Kernels on a CPU: the threads of a block are fibers of the calling thread, which run until a
// barrier or a shuffle and take turns there; blocks run one after another. Slow and exact. A
// barrier that some threads of a block do not reach ends the program, as does what a warp does
// together (shuffles, matrix tiles) in an incomplete warp. For one calling thread at a time: what a
// block shares is static.

#include <cstddef>
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

/// Copies what the calling thread shows to its warp, and waits until every thread of the warp shows
/// something. What each shows can be looked at until the calling thread shows something else.
void Show(const void* bytes, std::size_t size);
const void* ShownBy(unsigned lane);
inline constexpr std::size_t kMostShown = 32;
void Run(std::int64_t blocks, int threads, const std::function<void()>& kernel);
}  // namespace emulation

template <class T>
T ShuffleXor(T value, int mask) {
  static_assert(sizeof(T) <= emulation::kMostShown);
  emulation::Show(&value, sizeof(T));
  T other;
  std::memcpy(&other, emulation::ShownBy((ThreadIndex() % 32) ^ static_cast<unsigned>(mask)),
              sizeof(T));
  return other;
}

void MultiplyBf16Tiles(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
void MultiplyFp16Tiles(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
void LoadTiles(std::uint32_t (&tiles)[4], const void* row);
void LoadTilesTransposed(std::uint32_t (&tiles)[4], const void* row);

template <class... Parameters, class... Arguments>
void Launch(void (*kernel)(Parameters...), std::int64_t blocks, int threads, void* /*stream*/,
            const Arguments&... arguments) {
  emulation::Run(blocks, threads, [&] { kernel(arguments...); });
}

inline const char* LaunchError() {
  return nullptr;
}

}  // namespace lathe::trainer::kernels::cuda
