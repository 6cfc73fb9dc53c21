#pragma once
// A tree in one of the older dialects to the universal configuration. Pure and thread-safe.

#include "common/schema/dialects.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {

/// `dialect` is not the universal one.
Imported ImportTree(const Tree& tree, Dialect dialect);

}  // namespace lathe::schema
