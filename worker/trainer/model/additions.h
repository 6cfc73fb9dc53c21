#pragma once
// What a training method adds to a decoder, as the passes need it: views into the storage of
// whoever owns the values. Nothing set: the frozen base alone. A plain value; copies share their
// tensors.

#include <optional>
#include <vector>

#include "worker/trainer/kernels/attention.h"
#include "worker/trainer/model/bottleneck.h"
#include "worker/trainer/model/linear.h"
#include "worker/trainer/model/weight_gradients.h"

namespace lathe::trainer::model {

/// The low-rank additions of a whole decoder, by group index (see GroupIndex); empty: none at all.
struct LowRankSet {
  std::vector<std::optional<LowRankGroup>> groups;
  double dropout = 0;  ///< of the inputs of the low-rank matrices, in training passes only

  const LowRankGroup* Find(std::size_t group) const {
    return group < groups.size() && groups[group] ? &*groups[group] : nullptr;
  }
};

/// What a prefix adds to one layer.
using PrefixLayer = kernels::KeyPrefix;
struct PrefixSet {
  std::vector<PrefixLayer> layers;  ///< empty: no prefix

  std::int64_t length() const { return layers.empty() ? 0 : layers[0].keys.size(1); }
  const PrefixLayer* Find(std::size_t layer) const {
    return layers.empty() ? nullptr : &layers[layer];
  }
};

struct Additions {
  LowRankSet low_rank;
  PrefixSet prefix;
  /// One a composed adapter; training passes take one at most.
  std::vector<BottleneckSet> bottlenecks;
  /// Whether each reads what those before it have made of what a sublayer adds; else all read that
  /// itself.
  bool bottlenecks_in_turn = false;
  WeightGradients weights;  ///< of the base itself, when it is trained
};

}  // namespace lathe::trainer::model
