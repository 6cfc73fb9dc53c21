#pragma once
// What a training method adds to a frozen decoder, as the passes need it: views into the storage of
// whoever owns the values. Nothing set: the base alone. A plain value; copies share their tensors.

#include <optional>
#include <vector>

#include "worker/trainer/model/linear.h"

namespace lathe::trainer::model {

/// The low-rank additions of a whole decoder, by group index (see GroupIndex); empty: none at all.
struct LowRankSet {
  std::vector<std::optional<LowRankGroup>> groups;
  double dropout = 0;  ///< of the inputs of the low-rank matrices, in training passes only

  const LowRankGroup* Find(std::size_t group) const {
    return group < groups.size() && groups[group] ? &*groups[group] : nullptr;
  }
};

struct Additions {
  LowRankSet low_rank;
};

}  // namespace lathe::trainer::model
