#pragma once
// A compiled Unicode regular expression (PCRE2, UTF and UCP, JIT where there is one) in the dialect
// of tokenizer files. `\s` and `\S` are Unicode's White_Space, as in the reference; PCRE2's own
// `\s` also takes U+180E. Immutable; matching is thread-safe.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::tokenizer {

/// A range of bytes [begin, end).
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

class Regex {
 public:
  /// kInvalidArgument with PCRE2's message and the place in the pattern.
  static Result<Regex> Compile(std::string_view pattern);
  /// Matches exactly this text.
  static Result<Regex> Literal(std::string_view text);

  /// All matches that are not empty, from left to right. `text` is valid UTF-8. kInvalidArgument
  /// when the pattern backtracks beyond PCRE2's limit.
  Result<std::vector<ByteRange>> FindAll(std::string_view text) const;

 private:
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;  ///< shared by copies; never changes
};

}  // namespace lathe::trainer::tokenizer
