#include "worker/trainer/scoring/python_calls.h"

#include <algorithm>
#include <string>

#include "worker/trainer/scoring/python_string.h"
#include "worker/trainer/tokenizer/utf8.h"

namespace lathe::trainer::scoring {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 64;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

/// Of a name; those beyond ASCII are taken as they come.
bool IsNamed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || IsDigit(c) ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }
  /// Takes a character, behind white space, if it is next.
  bool Take(char wanted) {
    const std::size_t next = text_.find_first_not_of(" \t\n\r", at_);
    if (next == std::string_view::npos || text_[next] != wanted) return false;
    at_ = next + 1;
    return true;
  }
  std::optional<ToolCall> Call();

 private:
  char Next();
  /// Empty when there is none.
  std::string_view Name(std::string_view also);
  std::optional<Json> Value(int depth);
  std::optional<Json> List(char close, int depth);
  std::optional<Json> Dict(int depth);
  std::optional<Json> Constant();
  std::optional<Json> Number();
  std::optional<Json> String();
  /// Takes digits, which underscores may part, without those.
  std::string Digits();

  std::string_view text_;
  std::size_t at_ = 0;
};

/// What comes behind white space; 0 at the end.
char Reader::Next() {
  at_ = std::min(text_.find_first_not_of(" \t\n\r", at_), text_.size());
  return at_ < text_.size() ? text_[at_] : '\0';
}

std::string_view Reader::Name(std::string_view also) {
  if (!IsNamed(Next()) || IsDigit(text_[at_])) return {};
  const std::size_t begin = at_;
  while (at_ < text_.size() &&
         (IsNamed(text_[at_]) || also.find(text_[at_]) != std::string_view::npos)) {
    ++at_;
  }
  return text_.substr(begin, at_ - begin);
}

std::optional<ToolCall> Reader::Call() {
  ToolCall call{std::string(Name(".-")), Json::object()};
  if (call.name.empty() || !Take('(')) return std::nullopt;
  while (!Take(')')) {
    const std::string key(Name(""));
    if (key.empty() || call.arguments.contains(key) || !Take('=')) return std::nullopt;
    auto value = Value(0);
    if (!value) return std::nullopt;
    call.arguments[key] = *std::move(value);
    if (!Take(',') && Next() != ')') return std::nullopt;
  }
  return call;
}

std::optional<Json> Reader::Value(int depth) {
  if (depth == kDeepest) return std::nullopt;
  const char next = Next();
  if (next == '"' || next == '\'') return String();
  if (Take('[')) return List(']', depth);
  if (Take('(')) return List(')', depth);
  if (Take('{')) return Dict(depth);
  return IsNamed(next) && !IsDigit(next) ? Constant() : Number();
}

std::optional<Json> Reader::List(char close, int depth) {
  Json list = Json::array();
  bool comma = true;
  while (!Take(close)) {
    auto value = comma ? Value(depth + 1) : std::nullopt;
    if (!value) return std::nullopt;
    list.push_back(*std::move(value));
    comma = Take(',');
  }
  // One value in parentheses is itself.
  if (close == ')' && !comma) return list.size() == 1 ? Json(list[0]) : list;
  return list;
}

std::optional<Json> Reader::Dict(int depth) {
  Json dict = Json::object();
  bool comma = true;
  while (!Take('}')) {
    const char next = Next();
    const auto key = comma && (next == '"' || next == '\'') ? String() : std::nullopt;
    if (!key || dict.contains(key->get_ref<const std::string&>()) || !Take(':')) {
      return std::nullopt;
    }
    auto value = Value(depth + 1);
    if (!value) return std::nullopt;
    dict[key->get_ref<const std::string&>()] = *std::move(value);
    comma = Take(',');
  }
  return dict;
}

std::optional<Json> Reader::Constant() {
  const std::string_view name = Name("");
  if (name == "True" || name == "true") return Json(true);
  if (name == "False" || name == "false") return Json(false);
  if (name == "None" || name == "null") return Json(nullptr);
  return std::nullopt;
}

std::string Reader::Digits() {
  std::string digits;
  for (; at_ < text_.size(); ++at_) {
    const bool parts =
        text_[at_] == '_' && !digits.empty() && at_ + 1 < text_.size() && IsDigit(text_[at_ + 1]);
    if (!IsDigit(text_[at_]) && !parts) break;
    if (!parts) digits += text_[at_];
  }
  return digits;
}

/// As JSON would have it.
std::optional<Json> Reader::Number() {
  std::string number = Take('-') ? "-" : "";
  if (number.empty()) static_cast<void>(Take('+'));
  const std::string whole = Digits();
  const bool pointed = at_ < text_.size() && text_[at_] == '.';
  at_ += pointed ? 1 : 0;
  const std::string part = pointed ? Digits() : "";
  if (whole.empty() && part.empty()) return std::nullopt;
  number += whole.empty() ? "0" : whole;
  if (pointed) number += "." + (part.empty() ? "0" : part);
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    number += text_[at_++];
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) number += text_[at_++];
    number += Digits();
  }
  Json value = Json::parse(number, nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? std::nullopt : std::optional(std::move(value));
}

std::optional<Json> Reader::String() {
  auto string = ReadPythonString(text_.substr(at_));
  if (!string) return std::nullopt;
  at_ += string->end;
  return Json(std::move(string->value));
}

}  // namespace

std::optional<PythonCalls> ReadPythonCalls(std::string_view text) {
  Reader reader(text);
  PythonCalls found;
  const bool list = reader.Take('[');
  do {
    auto call = reader.Call();
    if (!call) return std::nullopt;
    found.calls.push_back(*std::move(call));
    if (!list) break;
    if (!reader.Take(',')) {
      if (!reader.Take(']')) return std::nullopt;
      break;
    }
  } while (!reader.Take(']'));
  found.end = reader.at();
  if (!tokenizer::IsValidUtf8(text.substr(0, found.end))) return std::nullopt;
  return found;
}

}  // namespace lathe::trainer::scoring
