#pragma once
// Supervised fine-tuning: cross-entropy on target tokens, a mean over all of a step's targets.
// Measures: tokenAccuracy, the share of targets that are what the model finds likeliest.

#include "worker/trainer/objectives/objective.h"

namespace lathe::trainer::objectives {

Objective MakeSupervised();

}  // namespace lathe::trainer::objectives
