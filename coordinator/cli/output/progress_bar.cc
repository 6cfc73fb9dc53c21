#include "coordinator/cli/output/progress_bar.h"

#include <algorithm>
#include <cmath>

namespace lathe::cli {

std::string ProgressBar(double fraction, int width, bool utf8) {
  const int filled =
      static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * std::max(width, 0)));
  std::string bar;
  for (int i = 0; i < width; ++i) {
    if (i < filled) {
      bar += utf8 ? "━" : "#";
    } else {
      bar += utf8 ? "─" : ".";
    }
  }
  return bar;
}

}  // namespace lathe::cli
