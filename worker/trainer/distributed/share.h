#pragma once
// Which part of a step each process computes. Pure.

#include <cstddef>
#include <vector>

namespace lathe::trainer::distributed {

struct Piece {
  std::size_t index = 0;  ///< among the pieces of all processes: the same however many there are
  std::vector<std::size_t> items;
};

/// Deals micro-batches out in turn. Where there are fewer than processes, each is cut into as few
/// parts of nearly equal length as give every process one. Empty parts are left out.
std::vector<Piece> Share(const std::vector<std::vector<std::size_t>>& micro_batches, int rank,
                         int size);

}  // namespace lathe::trainer::distributed
