#pragma once
// The tensors of block-wise 8-bit AdamW, and its two implementations. Private to this room and its
// tests.

#include <vector>

#include "worker/trainer/optim/kinds.h"

namespace lathe::trainer::optim::adamw_8bit {

inline constexpr std::int64_t kBlock = 256;
/// Views below this size keep fp32 moments.
inline constexpr std::int64_t kMinimumElements = 4096;

/// Neighbouring views that are treated as one: no block crosses from a view into another, so a run
/// goes on only where a view ends with a whole block.
struct Run {
  std::int64_t offset = 0;  ///< in the flat parameters
  std::int64_t count = 0;   ///< elements
  bool quantized = true;
  std::int64_t state_offset = 0;  ///< in blocks when quantised, in elements otherwise

  std::int64_t blocks() const { return (count + kBlock - 1) / kBlock; }
};
std::vector<Run> RunsOf(const Layout& layout);

/// A moment of some blocks: value = map[codes] * maximum of the block.
struct QuantizedMoment {
  at::Tensor codes;   ///< uint8 [blocks * kBlock]
  at::Tensor maxima;  ///< fp32 [blocks]
};

/// As many whole blocks as the moments have; gradient and parameters may end within the last.
struct BlockSlice {
  at::Tensor gradient;
  at::Tensor parameters;
  QuantizedMoment first;
  QuantizedMoment second;
};
/// In one pass over memory; all tensors on the CPU.
void UpdateBlocksFused(const adamw::Factors& factors, const BlockSlice& slice);
/// As a chain of operations, on any device.
void UpdateBlocksChained(const adamw::Factors& factors, const BlockSlice& slice);

}  // namespace lathe::trainer::optim::adamw_8bit
