#pragma once
// A plan and its examples as the estimator's workload.

#include "common/estimator/workload.h"
#include "worker/trainer/loop/dataset.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::trainer::commands {

estimator::Workload WorkloadOf(const plan::Plan& plan, const loop::Dataset& data);

}  // namespace lathe::trainer::commands
