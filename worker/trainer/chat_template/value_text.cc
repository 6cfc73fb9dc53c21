// What values look like: Python's str() and JSON. See value.h.

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "worker/trainer/chat_template/value.h"

namespace lathe::trainer::chat_template {
namespace {

/// Python's repr: the shortest digits that read back, in scientific notation below 1e-4 and from
/// 1e16 on.
std::string NumberText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  const double magnitude = std::abs(value);
  const bool scientific = magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16);
  std::array<char, 64> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                    scientific ? std::chars_format::scientific : std::chars_format::fixed)
          .ptr;
  std::string text(buffer.data(), end);
  if (!scientific && text.find('.') == std::string::npos) text += ".0";
  return text;
}

/// repr of a string: in single quotes, in double ones when it holds only single ones.
std::string Quoted(const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  return out + quote;
}

std::string Repr(const Value& value) {
  return value.AsString() != nullptr ? Quoted(*value.AsString()) : ToText(value);
}

std::string DictText(const Dict& dict) {
  std::string out = "{";
  for (const auto& [key, member] : dict) {
    if (out.size() > 1) out += ", ";
    out += Quoted(key) + ": " + Repr(member);
  }
  return out + "}";
}

void AppendJsonString(const std::string& text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[static_cast<unsigned char>(c) >> 4];
          out += kHex[static_cast<unsigned char>(c) & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

struct JsonWriter {
  int indent;
  std::string out;

  void NewLine(int depth) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent * depth), ' ');
  }
  std::string_view Separator() const { return indent < 0 ? ", " : ","; }

  Status Write(const Value& value, int depth) {
    if (value.IsNone()) {
      out += "null";
    } else if (const bool* flag = value.As<bool>()) {
      out += *flag ? "true" : "false";
    } else if (value.AsString() != nullptr) {
      AppendJsonString(*value.AsString(), out);
    } else if (value.AsNumber()) {
      out += ToText(value);
    } else if (value.AsList() != nullptr) {
      return WriteList(*value.AsList(), depth);
    } else if (value.AsDict() != nullptr) {
      return WriteDict(*value.AsDict(), depth);
    } else {
      return Failure(ErrorCode::kInvalidArgument,
                     "a value of type " + std::string(TypeName(value)) + " has no JSON form");
    }
    return {};
  }
  Status WriteList(const List& list, int depth) {
    out += '[';
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (i > 0) out += Separator();
      NewLine(depth + 1);
      LATHE_RETURN_IF_ERROR(Write(list[i], depth + 1));
    }
    if (!list.empty()) NewLine(depth);
    out += ']';
    return {};
  }
  Status WriteDict(const Dict& dict, int depth) {
    out += '{';
    for (std::size_t i = 0; i < dict.size(); ++i) {
      if (i > 0) out += Separator();
      NewLine(depth + 1);
      AppendJsonString(dict[i].first, out);
      out += ": ";
      LATHE_RETURN_IF_ERROR(Write(dict[i].second, depth + 1));
    }
    if (!dict.empty()) NewLine(depth);
    out += '}';
    return {};
  }
};

}  // namespace

std::string ToText(const Value& value) {
  if (value.IsUndefined()) return "";
  if (value.IsNone()) return "None";
  if (const bool* flag = value.As<bool>()) return *flag ? "True" : "False";
  if (const auto* integer = value.As<std::int64_t>()) return std::to_string(*integer);
  if (const double* number = value.As<double>()) return NumberText(*number);
  if (value.AsString() != nullptr) return *value.AsString();
  if (value.AsDict() != nullptr) return DictText(*value.AsDict());
  if (value.AsList() == nullptr) return "<" + std::string(TypeName(value)) + ">";
  std::string out = "[";
  for (const Value& element : *value.AsList()) {
    if (out.size() > 1) out += ", ";
    out += Repr(element);
  }
  return out + "]";
}

Result<std::string> ToJson(const Value& value, int indent) {
  JsonWriter writer{indent, {}};
  LATHE_RETURN_IF_ERROR(writer.Write(value, 0));
  return std::move(writer.out);
}

Value FromJson(const nlohmann::ordered_json& json) {
  if (json.is_null()) return None{};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX) return json.get<double>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    List list;
    for (const auto& element : json) list.push_back(FromJson(element));
    return list;
  }
  Dict dict;
  for (const auto& [key, member] : json.items()) dict.emplace_back(key, FromJson(member));
  return dict;
}

}  // namespace lathe::trainer::chat_template
