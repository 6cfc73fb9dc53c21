#pragma once
// The names of precisions as types.

#include <c10/core/ScalarType.h>

#include <string_view>

namespace lathe::trainer::commands {

/// Of "fp32", "bf16" or "fp16".
inline at::ScalarType TypeOf(std::string_view precision) {
  if (precision == "bf16") return at::kBFloat16;
  return precision == "fp16" ? at::kHalf : at::kFloat;
}

}  // namespace lathe::trainer::commands
