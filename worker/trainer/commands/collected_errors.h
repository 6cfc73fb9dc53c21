#pragma once
// Errors of several things, told as one.

#include <string>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::commands {

class CollectedErrors {
 public:
  /// `path` says what it is an error of, unless its findings do.
  void Add(const std::string& path, const Error& error) {
    if (findings_.empty()) first_ = error;
    if (error.findings.empty()) {
      findings_.push_back({.path = path,
                           .code = std::string(ToString(error.code)),
                           .message = error.message,
                           .given = {},
                           .expected = {}});
    }
    findings_.insert(findings_.end(), error.findings.begin(), error.findings.end());
  }
  /// The first error, with the findings of all; nothing when there is none.
  Status Take() && {
    if (findings_.empty()) return {};
    if (findings_.size() > 1) first_.findings = std::move(findings_);
    return Failure(std::move(first_));
  }

 private:
  Error first_;
  std::vector<Finding> findings_;
};

}  // namespace lathe::trainer::commands
