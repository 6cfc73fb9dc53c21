#pragma once
// A horizontal bar. Pure.

#include <string>

namespace lathe::cli {

/// `width` columns, filled to `fraction` (0 to 1).
std::string ProgressBar(double fraction, int width, bool utf8);

}  // namespace lathe::cli
