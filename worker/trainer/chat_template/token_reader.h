#pragma once
// A template's tokens from first to last, what was expected of them, and how deeply the parsers
// that read them are nested. Not thread-safe.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/chat_template/lexer.h"

namespace lathe::trainer::chat_template {

constexpr int kMaxNesting = 200;  ///< of blocks and expressions together

class TokenReader {
 public:
  /// The last token is the template's end.
  explicit TokenReader(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  /// One level, while it lives.
  class Nesting {
   public:
    explicit Nesting(TokenReader& reader) : depth_(++reader.depth_) {}
    ~Nesting() { --depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    bool too_deep() const { return depth_ > kMaxNesting; }

   private:
    int& depth_;
  };

  const Token& Peek() const { return tokens_[at_]; }
  /// The one after; at the end the end itself.
  const Token& Next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token Take() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool IsOperator(std::string_view text) const {
    return Peek().kind == Token::Kind::kOperator && Peek().text == text;
  }
  bool IsName(std::string_view text) const {
    return Peek().kind == Token::Kind::kName && Peek().text == text;
  }
  bool TakeOperator(std::string_view text) {
    if (!IsOperator(text)) return false;
    Take();
    return true;
  }
  bool TakeName(std::string_view text) {
    if (!IsName(text)) return false;
    Take();
    return true;
  }
  tl::unexpected<Error> Bad(const std::string& what) const {
    return Failure(ErrorCode::kInvalidArgument,
                   "line " + std::to_string(Peek().line) + ": " + what);
  }
  /// Bad for want of `what`, with what stands there instead.
  tl::unexpected<Error> Expected(const std::string& what) const {
    const std::string& found = Peek().text;
    return Bad("expected " + what +
               (found.empty() ? ", found the end of the tag" : ", found '" + found + "'"));
  }
  Status Expect(std::string_view text) {
    if (TakeOperator(text)) return {};
    return Expected("'" + std::string(text) + "'");
  }
  Status ExpectBlockEnd() {
    if (Peek().kind != Token::Kind::kBlockEnd) return Expected("'%}'");
    Take();
    return {};
  }
  Result<std::string> TakeIdentifier() {
    if (Peek().kind != Token::Kind::kName) return Expected("a name");
    return Take().text;
  }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace lathe::trainer::chat_template
