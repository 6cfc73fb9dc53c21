#pragma once
// Findings from here and from the coordinator, as one list.

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/error.h"

namespace lathe::cli {

/// Whether anything of the text could be read: else there is nothing more to be found.
inline bool IsReadable(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.code == "syntax_error" || finding.code == "too_large" ||
           (finding.severity == Severity::kError && finding.path.empty());
  });
}

/// Adds what `findings` does not say already: the same of the same parameter, or that one is
/// missing which could not be read.
inline void AddUnsaid(std::vector<Finding> more, std::vector<Finding>& findings) {
  const auto known = static_cast<std::ptrdiff_t>(findings.size());
  for (Finding& finding : more) {
    const bool said =
        std::any_of(findings.begin(), findings.begin() + known, [&](const Finding& each) {
          return each.path == finding.path && each.severity == finding.severity &&
                 (each.code == finding.code || finding.code == "required");
        });
    if (!said) findings.push_back(std::move(finding));
  }
}

}  // namespace lathe::cli
