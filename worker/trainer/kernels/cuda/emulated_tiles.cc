// What a warp does on its matrix unit, on a CPU: see device_language.h for who holds what.

#include <cstdint>
#include <cstring>

#include "common/base/check.h"
#include "worker/trainer/kernels/cuda/element.h"
#include "worker/trainer/kernels/cuda/emulation.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr unsigned kTileColumns = 4;  ///< words of a row of a tile of 8 x 8
constexpr unsigned kDepth = 16;
constexpr std::uintptr_t kRowBytes = 16;

struct Operands {
  std::uint32_t a[4];
  std::uint32_t b[2];
};
static_assert(sizeof(Operands) <= emulation::kMostShown);

template <class T>
float Half(std::uint32_t word, unsigned index) {
  return ToFloat(T{static_cast<std::uint16_t>(word >> (16 * index))});
}

template <class T>
void Multiply(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  Operands mine{};
  std::memcpy(mine.a, a, sizeof(mine.a));
  std::memcpy(mine.b, b, sizeof(mine.b));
  emulation::Show(&mine, sizeof(mine));
  const unsigned lane = ThreadIndex() % kWarp;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / kTileColumns + i / 2 * 8;
    const unsigned column = lane % kTileColumns * 2 + i % 2;
    for (unsigned k = 0; k < kDepth; k += 2) {
      const unsigned pair = k % 8 / 2;
      const auto* left =
          static_cast<const Operands*>(emulation::ShownBy(row % 8 * kTileColumns + pair));
      const auto* right =
          static_cast<const Operands*>(emulation::ShownBy(column * kTileColumns + pair));
      const std::uint32_t of_row = left->a[row / 8 + k / 8 * 2];
      const std::uint32_t of_column = right->b[k / 8];
      d[i] += Half<T>(of_row, 0) * Half<T>(of_column, 0);
      d[i] += Half<T>(of_row, 1) * Half<T>(of_column, 1);
    }
  }
}

std::uint16_t Value(unsigned tile, unsigned row, unsigned column) {
  const auto* begin = static_cast<const char*>(emulation::ShownBy(8 * tile + row));
  std::uint16_t value;
  std::memcpy(&value, begin + column * sizeof(value), sizeof(value));
  return value;
}

void Load(std::uint32_t (&tiles)[4], const void* row, bool transposed) {
  LATHE_CHECK(reinterpret_cast<std::uintptr_t>(row) % kRowBytes == 0,
              "each row of a tile lies on 16 bytes");
  emulation::Show(row, kRowBytes);
  const unsigned lane = ThreadIndex() % kWarp;
  const unsigned one = lane / kTileColumns;
  const unsigned two = lane % kTileColumns * 2;
  for (unsigned tile = 0; tile < 4; ++tile) {
    const std::uint32_t low = transposed ? Value(tile, two, one) : Value(tile, one, two);
    const std::uint32_t high = transposed ? Value(tile, two + 1, one) : Value(tile, one, two + 1);
    tiles[tile] = low | high << 16;
  }
}

}  // namespace

void MultiplyBf16Tiles(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  Multiply<Bf16>(d, a, b);
}
void MultiplyFp16Tiles(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  Multiply<Fp16>(d, a, b);
}
void LoadTiles(std::uint32_t (&tiles)[4], const void* row) {
  Load(tiles, row, false);
}
void LoadTilesTransposed(std::uint32_t (&tiles)[4], const void* row) {
  Load(tiles, row, true);
}

}  // namespace lathe::trainer::kernels::cuda
