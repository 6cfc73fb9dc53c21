#pragma once
// lathe node list: the machines that take jobs.

#include "coordinator/cli/context.h"

namespace lathe::cli {

Outcome RunNodeList(Context& context);

}  // namespace lathe::cli
