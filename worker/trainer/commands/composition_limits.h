#pragma once
// How many adapters a composition may have, and of what weights: the limits of a call of Generate,
// from plan/generation_table.inc.

#include <vector>

#include "common/base/error.h"
#include "common/composition/composition.h"

namespace lathe::trainer::commands {

/// What is outside its limits, all of it; a finding's path is that in a file of the composition.
std::vector<Finding> CheckLimits(const composition::Composition& composition);

}  // namespace lathe::trainer::commands
