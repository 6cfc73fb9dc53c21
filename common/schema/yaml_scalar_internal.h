#pragma once
// What a plain scalar of YAML stands for. Pure and thread-safe.

#include <string>

#include "common/schema/tree_internal.h"

namespace lathe::schema {

/// YAML 1.2 core schema, 10.3.2: null, booleans, numbers; everything else is text. Numbers that do
/// not fit stay text.
Tree PlainScalar(const std::string& text);

}  // namespace lathe::schema
