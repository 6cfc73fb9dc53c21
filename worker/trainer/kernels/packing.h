#pragma once
// The operands of matrix products, brought into the order in which the tile kernels read them.
// Private to this room; sources that include this are named in lathe_parallel().

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "common/base/check.h"
#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/panels.h"
#include "worker/trainer/kernels/tasks.h"
#include "worker/trainer/kernels/tile_choice.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

/// Work to pack an element, as ForTasks counts it.
inline constexpr std::int64_t kPackWork = 16;

/// Calls then(block, packed rows) for every block, by the thread that has packed it.
template <class T, class Scope = NoScope, class Then>
at::Tensor PackLeft(const at::Tensor& x, double scale, const Then& then) {
  const std::int64_t rows = x.size(0);
  const std::int64_t tile_rows = TileRows<T>();
  const std::int64_t space = RowSpace<T>(x.size(1));
  const std::int64_t blocks = CeilDivide(rows, tile_rows);
  // What packing writes beyond a block's end must not reach the next one, which another thread
  // may have packed already.
  at::Tensor packed = EmptyUnits(blocks * space);
  auto* to = Data<std::uint32_t>(packed);
  const T* const from = Data<T>(x);
  const bool across = x.stride(1) != 1;
  LATHE_CHECK(!across || (x.stride(0) == 1 && scale == 1), "columns lie as they are");
  ForTasks<Scope>(blocks, x.numel() * kPackWork, [&](std::int64_t block, std::int64_t) {
    const std::int64_t row = block * tile_rows;
    const std::int64_t count = std::min(tile_rows, rows - row);
    std::uint32_t* block_to = to + block * space;
    if (across) {
      Tiles<T>().pack_rows_across({from + row, x.stride(1), x.size(1)}, count, block_to);
    } else {
      Tiles<T>().pack_rows({from + row * x.stride(0), x.stride(0), count}, x.size(1),
                           static_cast<float>(scale), block_to);
    }
    then(block, block_to);
  });
  return packed;
}
template <class T>
at::Tensor PackLeft(const at::Tensor& x, double scale) {
  return PackLeft<T>(x, scale, [](std::int64_t, const std::uint32_t*) {});
}
template <class T>
RowBlocks BlocksOf(const at::Tensor& packed, std::int64_t depth) {
  return {Data<std::uint32_t>(packed), RowSpace<T>(depth)};
}

/// Some of the depth of a right operand [columns, depth].
struct Depth {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

template <class T>
void PackPanel(const at::Tensor& right, const Panel& panel, const Depth& depth, std::uint32_t* to) {
  const T* data = Data<T>(right) + panel.begin * right.stride(0) + depth.begin * right.stride(1);
  if (right.stride(1) == 1) {
    Tiles<T>().pack_columns({data, right.stride(0), panel.columns}, depth.count, to);
  } else {
    Tiles<T>().pack_columns_across({data, right.stride(1), depth.count}, panel.columns, to);
  }
}

/// Whether a panel need not be packed: its columns are neighbours in the right operand, at each
/// unit of the depth, and these places are spread over the second-level cache, from which they are
/// read for every block of rows.
template <class T>
bool LiesReady(const at::Tensor& right, const Panel& panel, std::int64_t depth) {
  constexpr std::int64_t kLineElements = 16;
  constexpr std::int64_t kCacheSets = 2048;
  constexpr std::int64_t kWays = 4;  // Half of them.
  if (!Tiles<T>().shape.reads_lines || right.stride(1) == 1 || panel.columns != kTileColumns ||
      right.stride(1) % kLineElements != 0) {
    return false;
  }
  const std::int64_t used = kCacheSets / std::gcd(kCacheSets, right.stride(1) / kLineElements);
  return used * kWays >= depth;
}

/// What of a weight's panel is to be fetched beside one of several blocks.
template <class T>
TileFetch FetchOf(const at::Tensor& right, const Panel& panel, const Depth& depth,
                  std::int64_t block, std::int64_t blocks) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  constexpr std::int64_t kPiece = 128;
  const T* data = Data<T>(right) + panel.begin * right.stride(0) + depth.begin * right.stride(1);
  const bool across = right.stride(1) != 1;
  const std::int64_t lines = across ? depth.count : panel.columns;
  const std::int64_t line = lines * block / blocks;
  const std::int64_t count = lines * (block + 1) / blocks - line;
  const char* const from =
      reinterpret_cast<const char*>(data + line * right.stride(across ? 1 : 0));
  if (across) return {from, right.stride(1) * kSize, count};
  // Whole lines follow each other; of parts of lines one a block, so that with few blocks the last
  // ones stay where they are.
  const std::int64_t together =
      right.stride(0) == depth.count ? count : std::min<std::int64_t>(count, 1);
  return {from, kPiece, CeilDivide(together * depth.count * kSize, kPiece)};
}

/// The same of a panel that is packed.
inline TileFetch FetchOf(const std::uint32_t* panel, std::int64_t units, std::int64_t block,
                         std::int64_t blocks) {
  constexpr std::int64_t kPiece = 128;
  const auto size = static_cast<std::int64_t>(sizeof(std::uint32_t));
  const std::int64_t pieces = units * size / kPiece;
  const std::int64_t piece = pieces * block / blocks;
  return {reinterpret_cast<const char*>(panel) + piece * kPiece, kPiece,
          pieces * (block + 1) / blocks - piece};
}

#endif

}  // namespace lathe::trainer::kernels
