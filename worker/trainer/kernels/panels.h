#pragma once
// How a product's result is cut into panels of columns. Private to this room.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "worker/trainer/kernels/gemm.h"

namespace lathe::trainer::kernels {

/// Columns of a result that are computed together.
struct Panel {
  std::int64_t begin = 0;
  std::int64_t columns = 0;
};

/// All columns, at most `most` together; a low-rank product reaches all of a panel or none.
inline std::vector<Panel> PanelsOf(std::int64_t columns, std::span<const LowRankProduct> low_rank,
                                   std::int64_t most) {
  std::vector<std::int64_t> breaks = {0, columns};
  for (const LowRankProduct& product : low_rank) {
    breaks.push_back(product.begin);
    breaks.push_back(product.begin + product.right.size(0));
  }
  std::sort(breaks.begin(), breaks.end());
  std::vector<Panel> panels;
  for (std::size_t i = 1; i < breaks.size(); ++i) {
    for (std::int64_t begin = breaks[i - 1]; begin < breaks[i]; begin += most) {
      panels.push_back({begin, std::min(most, breaks[i] - begin)});
    }
  }
  return panels;
}

}  // namespace lathe::trainer::kernels
