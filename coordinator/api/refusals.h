#pragma once
// What speaks against a call, all of it, as one error. A value.

#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"

namespace lathe::api {

class Refusals {
 public:
  /// `sentence` is the error's message when nothing else speaks against the call.
  void Add(ErrorCode code, Finding finding, std::string sentence = {}) {
    if (findings_.empty()) sentence_ = std::move(sentence);
    if (findings_.empty() || Rank(code) < Rank(code_)) code_ = code;
    findings_.push_back(std::move(finding));
  }
  bool empty() const { return findings_.empty(); }

  /// The error of a call that cannot be answered. Its code is that of the worst: what is wrong
  /// whatever the state of the system, then what does not exist, then what is not ready.
  Error Take() && {
    const bool alone = findings_.size() == 1 && !sentence_.empty();
    return {code_, alone ? std::move(sentence_) : "the question cannot be answered as it is",
            std::move(findings_)};
  }

 private:
  static int Rank(ErrorCode code) {
    if (code == ErrorCode::kInvalidArgument) return 0;
    return code == ErrorCode::kNotFound ? 1 : 2;
  }

  ErrorCode code_ = ErrorCode::kInvalidArgument;
  std::string sentence_;
  std::vector<Finding> findings_;
};

}  // namespace lathe::api
