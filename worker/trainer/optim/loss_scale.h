#pragma once
// Dynamic loss scaling for fp16 (https://arxiv.org/abs/1710.03740): gradients are computed of
// loss * value so that small ones do not vanish. A step whose gradients overflow is skipped and the
// scale halved; after many good ones in a row it doubles. The constants are torch.amp.GradScaler's.
// A value; pure.

#include <cstdint>

namespace lathe::trainer::optim {

struct LossScale {
  static constexpr double kStart = 65536;
  static constexpr double kGrowth = 2;
  static constexpr double kBackoff = 0.5;
  static constexpr std::int64_t kGrowthInterval = 2000;

  double value = 1;  ///< 1 means that nothing is scaled
  std::int64_t good_steps = 0;

  /// After a step that was scaled by it.
  void Note(bool finite) {
    if (!finite) {
      value *= kBackoff;
      good_steps = 0;
    } else if (++good_steps == kGrowthInterval) {
      value *= kGrowth;
      good_steps = 0;
    }
  }
};

}  // namespace lathe::trainer::optim
