#pragma once
// Kernels on a CPU: the threads of a block are fibers of the calling thread, which run until a
// barrier or a shuffle and take turns there; blocks run one after another. Slow and exact. A
// barrier that some threads of a block do not reach ends the program, as does what a warp does
// together (shuffles, matrix tiles) in an incomplete warp. For one calling thread at a time: what a
// block shares is static.

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

/// What the calling thread shows to its warp until EndShowing. Every thread of the warp calls both;
/// in between each may look at what the others show.
void Show(const void* shown);
const void* ShownBy(unsigned lane);
void EndShowing();
void Run(std::int64_t blocks, int threads, const std::function<void()>& kernel);
}  // namespace emulation

template <class T>
T ShuffleXor(T value, int mask) {
  emulation::Show(&value);
  T other;
  std::memcpy(&other, emulation::ShownBy((ThreadIndex() % 32) ^ static_cast<unsigned>(mask)),
              sizeof(T));
  emulation::EndShowing();
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
