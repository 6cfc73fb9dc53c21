#pragma once
// Reads a template into its tree. What chat templates do not use (include, extends, call blocks,
// ...) is refused by name. Nesting is bounded.

#include <string_view>

#include "common/base/result.h"
#include "worker/trainer/chat_template/ast.h"

namespace lathe::trainer::chat_template {

/// kInvalidArgument names the line and what was expected.
Result<Block> ParseTemplate(std::string_view source);

}  // namespace lathe::trainer::chat_template
