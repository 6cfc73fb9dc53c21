#include "worker/trainer/distributed/share.h"

#include <algorithm>

namespace lathe::trainer::distributed {

std::vector<Piece> Share(const std::vector<std::vector<std::size_t>>& micro_batches, int rank,
                         int size) {
  std::vector<Piece> mine;
  const auto processes = static_cast<std::size_t>(size);
  const std::size_t count = std::max<std::size_t>(1, micro_batches.size());
  const std::size_t parts = (processes + count - 1) / count;
  for (std::size_t batch = 0; batch < micro_batches.size(); ++batch) {
    const auto& items = micro_batches[batch];
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t index = batch * parts + part;
      if (index % processes != static_cast<std::size_t>(rank)) continue;
      const auto at = [&](std::size_t i) {
        return items.begin() + static_cast<std::ptrdiff_t>(items.size() * i / parts);
      };
      if (at(part) == at(part + 1)) continue;
      mine.push_back({index, {at(part), at(part + 1)}});
    }
  }
  return mine;
}

}  // namespace lathe::trainer::distributed
