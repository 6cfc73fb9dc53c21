#pragma once
// How the processes of a job hold the frozen weights of its model.

#include <ATen/core/Tensor.h>

#include "common/base/result.h"
#include "worker/trainer/distributed/group.h"
#include "worker/trainer/model/decoder.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::trainer::loop {

/// As the plan says; if it leaves it open, when they would fill more than half of the memory that
/// there is. kInvalidArgument when the plan wants it of a method that looks at whole weights. The
/// same in every process of the group.
Result<bool> ShardsBase(const plan::Plan& plan, const distributed::Group& group,
                        const at::Device& device);

/// Lets backward passes keep the weights in their own order, where that is faster and takes little
/// of the memory that there is (estimator::AffordsPackedWeights). `processes` share it.
void KeepPackedWhereAffordable(model::Decoder& decoder, std::int64_t processes);

}  // namespace lathe::trainer::loop
