#pragma once
// What a plain scalar of YAML stands for. Pure and thread-safe.

#include <string>
#include <string_view>

#include "common/schema/tree_internal.h"

namespace lathe::schema {

/// Nothing at all, `~` and the spellings of null.
bool IsNullScalar(std::string_view text);

/// YAML 1.2 core schema, 10.3.2: null, booleans, numbers; everything else is text. Numbers that do
/// not fit stay text.
Tree PlainScalar(const std::string& text);

}  // namespace lathe::schema
