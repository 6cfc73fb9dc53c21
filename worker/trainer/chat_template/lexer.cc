#include "worker/trainer/chat_template/lexer.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace lathe::trainer::chat_template {
namespace {

bool IsSpace(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}
bool IsDigit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool IsNameStart(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// All line ends become "\n", and one at the very end goes.
std::string NormalizeNewlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') continue;
      out += '\n';
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

void AppendUtf8(unsigned code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(NormalizeNewlines(source)), text_(source_) {}

  Result<std::vector<Token>> Run() {
    while (at_ < text_.size()) LATHE_RETURN_IF_ERROR(Root());
    Add(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  tl::unexpected<Error> Bad(const std::string& what) const {
    return Failure(ErrorCode::kInvalidArgument, "line " + std::to_string(line_) + ": " + what);
  }
  void Add(Token::Kind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }
  std::string_view Rest() const { return text_.substr(at_); }
  char Peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void Advance(std::size_t count) {
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(at_ + count),
                                         '\n'));
    at_ += count;
  }

  /// Text up to the next tag, then the tag.
  Status Root() {
    std::size_t tag = at_;
    for (; tag < text_.size(); ++tag) {
      const char next = tag + 1 < text_.size() ? text_[tag + 1] : '\0';
      if (text_[tag] == '{' && (next == '{' || next == '%' || next == '#')) break;
    }
    std::string_view text = text_.substr(at_, tag - at_);
    if (tag < text_.size()) {
      const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
      if (sign == '-') {
        while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
      } else if (sign != '+' && text_[tag + 1] != '{') {
        text = WithoutIndent(text);
      }
    }
    if (!text.empty()) Add(Token::Kind::kText, std::string(text));
    Advance(tag - at_);
    if (at_ == text_.size()) return {};
    const char kind = Peek(1);
    Advance(2);
    if (Peek() == '-' || (Peek() == '+' && kind != '{')) Advance(1);
    if (kind == '#') return Comment();
    if (kind == '{') return Tag(Token::Kind::kOutputBegin, Token::Kind::kOutputEnd, "}}");
    if (StartsRaw()) return Raw();
    return Tag(Token::Kind::kBlockBegin, Token::Kind::kBlockEnd, "%}");
  }

  /// lstrip_blocks: white space between the line's begin and a block tag goes.
  std::string_view WithoutIndent(std::string_view text) const {
    const std::size_t newline = text.rfind('\n');
    if (newline == std::string_view::npos && !line_starting_) return text;
    const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    const std::string_view indent = text.substr(begin);
    return std::all_of(indent.begin(), indent.end(), IsSpace) ? text.substr(0, begin) : text;
  }

  /// Steps over a tag's end, with the white space that its sign or trim_blocks takes away.
  void EndTag(bool dash, bool trims) {
    const std::size_t begin = at_;
    if (dash) {
      while (IsSpace(Peek())) Advance(1);
    } else if (trims && Peek() == '\n') {
      Advance(1);
    }
    line_starting_ = at_ > begin && text_[at_ - 1] == '\n';
  }

  Status Comment() {
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string_view::npos) return Bad("a comment is not closed");
    const char sign = end > at_ ? text_[end - 1] : '\0';
    Advance(end + 2 - at_);
    EndTag(sign == '-', sign != '+');
    return {};
  }

  std::size_t SkipWord(std::size_t at, std::string_view word) const {
    while (at < text_.size() && IsSpace(text_[at])) ++at;
    return text_.substr(at).starts_with(word) ? at + word.size() : std::string_view::npos;
  }
  /// The place after "raw %}", or npos.
  std::size_t EndOfTagNamed(std::size_t at, std::string_view name) const {
    std::size_t end = SkipWord(at, name);
    if (end == std::string_view::npos) return end;
    while (end < text_.size() && IsSpace(text_[end])) ++end;
    if (end < text_.size() && (text_[end] == '-' || text_[end] == '+')) ++end;
    return text_.substr(end).starts_with("%}") ? end + 2 : std::string_view::npos;
  }
  bool StartsRaw() const { return EndOfTagNamed(at_, "raw") != std::string_view::npos; }

  Status Raw() {
    const std::size_t begin = EndOfTagNamed(at_, "raw");
    const bool dash = text_[begin - 3] == '-';
    const bool plus = text_[begin - 3] == '+';
    Advance(begin - at_);
    EndTag(dash, !plus);
    for (std::size_t tag = text_.find("{%", at_); tag != std::string_view::npos;
         tag = text_.find("{%", tag + 2)) {
      const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
      const std::size_t end = EndOfTagNamed(tag + (sign == '-' || sign == '+' ? 3 : 2), "endraw");
      if (end == std::string_view::npos) continue;
      std::string_view text = text_.substr(at_, tag - at_);
      while (sign == '-' && !text.empty() && IsSpace(text.back())) text.remove_suffix(1);
      if (sign != '-' && sign != '+') text = WithoutIndent(text);
      Add(Token::Kind::kText, std::string(text));
      const char end_sign = text_[end - 3];
      Advance(end - at_);
      EndTag(end_sign == '-', end_sign != '+');
      return {};
    }
    return Bad("a raw block is not closed");
  }

  Status Tag(Token::Kind begin, Token::Kind end, std::string_view close) {
    Add(begin, "");
    std::vector<char> open;  // Brackets: inside them "}}" closes a dictionary.
    while (true) {
      while (IsSpace(Peek())) Advance(1);
      if (at_ >= text_.size()) return Bad("a tag is not closed with " + std::string(close));
      const bool signed_end = (Peek() == '-' || (Peek() == '+' && close == "%}")) &&
                              text_.substr(at_ + 1).starts_with(close);
      if (open.empty() && (signed_end || Rest().starts_with(close))) {
        const char sign = signed_end ? Peek() : '\0';
        Add(end, "");
        Advance(close.size() + (signed_end ? 1 : 0));
        EndTag(sign == '-', close == "%}" && sign != '+');
        return {};
      }
      LATHE_RETURN_IF_ERROR(ExpressionToken(open));
    }
  }

  Status ExpressionToken(std::vector<char>& open) {
    const char c = Peek();
    if (IsNameStart(c)) {
      std::size_t length = 1;
      while (IsNameStart(Peek(length)) || IsDigit(Peek(length))) ++length;
      Add(Token::Kind::kName, std::string(Rest().substr(0, length)));
      Advance(length);
      return {};
    }
    if (IsDigit(c)) return Number();
    if (c == '"' || c == '\'') return String(c);
    return Operator(open);
  }

  Status Number() {
    std::string digits;
    bool is_float = false;
    std::size_t length = 0;
    for (;; ++length) {
      const char c = Peek(length);
      const bool point = c == '.' && !is_float && IsDigit(Peek(length + 1));
      const bool exponent = (c == 'e' || c == 'E') && IsDigit(Peek(length + 1));
      if (point || exponent) is_float = true;
      if (IsDigit(c) || point || exponent) {
        digits += c;
      } else if (c != '_' || !IsDigit(Peek(length + 1))) {
        break;
      }
    }
    Add(is_float ? Token::Kind::kFloat : Token::Kind::kInteger, digits);
    Advance(length);
    return {};
  }

  Status String(char quote) {
    std::string content;
    std::size_t at = at_ + 1;
    for (; at < text_.size() && text_[at] != quote; ++at) {
      if (text_[at] != '\\') {
        content += text_[at];
        continue;
      }
      if (++at == text_.size()) break;
      LATHE_ASSIGN_OR_RETURN(at, Escape(at, content));
    }
    if (at >= text_.size()) return Bad("a string is not closed");
    Add(Token::Kind::kString, std::move(content));
    Advance(at + 1 - at_);
    return {};
  }

  /// Appends what the escape at `at` (after the backslash) means; gives its last character's place.
  Result<std::size_t> Escape(std::size_t at, std::string& content) const {
    constexpr std::string_view kLetters = "nrtbfva0";
    constexpr std::string_view kMeanings("\n\r\t\b\f\v\a\0", 8);
    const char c = text_[at];
    if (const std::size_t i = kLetters.find(c); i != std::string_view::npos) {
      content += kMeanings[i];
      return at;
    }
    if (c == '\\' || c == '\'' || c == '"') {
      content += c;
      return at;
    }
    if (c == '\n') return at;
    if (c == 'x' || c == 'u') {
      const std::size_t length = c == 'x' ? 2 : 4;
      unsigned code = 0;
      for (std::size_t i = 1; i <= length; ++i) {
        const char digit = at + i < text_.size() ? text_[at + i] : '\0';
        if (std::isxdigit(static_cast<unsigned char>(digit)) == 0) return Bad("a broken escape");
        code = code * 16 + static_cast<unsigned>(std::stoi(std::string(1, digit), nullptr, 16));
      }
      if (code >= 0xD800 && code < 0xE000) return Bad("a surrogate in a string");
      AppendUtf8(code, content);
      return at + length;
    }
    content += '\\';
    content += c;
    return at;
  }

  Status Operator(std::vector<char>& open) {
    constexpr std::array<std::string_view, 6> kLong = {"==", "!=", "<=", ">=", "//", "**"};
    constexpr std::string_view kShort = "+-*/%~<>=.,:|()[]{}";
    for (const std::string_view op : kLong) {
      if (!Rest().starts_with(op)) continue;
      Add(Token::Kind::kOperator, std::string(op));
      Advance(op.size());
      return {};
    }
    const char c = Peek();
    if (kShort.find(c) == std::string_view::npos) {
      return Bad(std::string("unexpected character '") + c + "'");
    }
    if (c == '(' || c == '[' || c == '{') open.push_back(c);
    if (c == ')' || c == ']' || c == '}') {
      const char opening = c == ')' ? '(' : (c == ']' ? '[' : '{');
      if (open.empty() || open.back() != opening) return Bad(std::string("unexpected '") + c + "'");
      open.pop_back();
    }
    Add(Token::Kind::kOperator, std::string(1, c));
    Advance(1);
    return {};
  }

  std::string source_;
  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  ///< the next text begins a line
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view source) {
  return Lexer(source).Run();
}

}  // namespace lathe::trainer::chat_template
