#include "worker/trainer/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "worker/trainer/tokenizer/utf8.h"

namespace lathe::trainer::tokenizer {
namespace {

constexpr std::string_view kWhiteSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

/// Spells out \s and \S; inside a character class \S stays (it cannot be spelled there).
std::string WithUnicodeSpace(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      if (escaped == 's') {
        out += in_class ? std::string(kWhiteSpace) : "[" + std::string(kWhiteSpace) + "]";
      } else if (escaped == 'S' && !in_class) {
        out += "[^" + std::string(kWhiteSpace) + "]";
      } else {
        out += c;
        out += escaped;
      }
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string MessageOf(int error) {
  std::array<PCRE2_UCHAR, 200> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

struct Regex::Code {
  explicit Code(pcre2_code* compiled) : code(compiled) {}
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(code); }
  pcre2_code* code;
};

Result<Regex> Regex::Compile(std::string_view pattern) {
  const std::string spelled = WithUnicodeSpace(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(),
                                   PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
  if (code == nullptr) {
    return Failure(ErrorCode::kInvalidArgument,
                   "pattern " + std::string(pattern) + ": " + MessageOf(error));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // Without a JIT the interpreter matches.
  return Regex(std::make_shared<const Code>(code));
}

Result<Regex> Regex::Literal(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && std::isalnum(static_cast<unsigned char>(c)) == 0) {
      pattern += '\\';
    }
    pattern += c;
  }
  return Compile(pattern);
}

Result<std::vector<ByteRange>> Regex::FindAll(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, FreeMatch> match(
      pcre2_match_data_create_from_pattern(code_->code, nullptr));
  std::vector<ByteRange> found;
  for (std::size_t at = 0; at < text.size();) {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int count = pcre2_match(code_->code, subject, text.size(), at, PCRE2_NO_UTF_CHECK, match.get(),
                            nullptr);
    if (count == PCRE2_ERROR_JIT_STACKLIMIT) {  // The interpreter keeps its stack on the heap.
      count = pcre2_match(code_->code, subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                          match.get(), nullptr);
    }
    if (count == PCRE2_ERROR_NOMATCH) break;
    if (count < 0) {
      return Failure(ErrorCode::kInvalidArgument, "regular expression: " + MessageOf(count));
    }
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match.get());
    if (ends[1] > ends[0]) found.push_back({ends[0], ends[1]});
    at = ends[1] > at ? ends[1] : at + CharacterLength(text, at);
  }
  return found;
}

}  // namespace lathe::trainer::tokenizer
