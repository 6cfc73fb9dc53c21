#include "worker/trainer/chat_template/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

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

void Include(const Value& member, Extent& extent) {
  const Extent inner = member.extent();
  extent.depth = std::max(extent.depth, inner.depth + 1);
  extent.size = std::min(extent.size + inner.size, std::uint64_t{1} << 40);
  extent.holds_namespace |= inner.holds_namespace;
}

int Sign(double difference) {
  return difference < 0 ? -1 : (difference > 0 ? 1 : 0);
}

bool EqualDicts(const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a) {
    const Value* other = FindKey(b, key);
    if (other == nullptr || !Equal(value, *other)) return false;
  }
  return true;
}

}  // namespace

Value::Value(List v) {
  Extent extent{1, 1, false};
  for (const Value& element : v) Include(element, extent);
  data_ = std::make_shared<const Composite<List>>(Composite<List>{std::move(v), extent});
}

Value::Value(Dict v) {
  Extent extent{1, 1, false};
  for (const auto& [key, member] : v) Include(member, extent);
  data_ = std::make_shared<const Composite<Dict>>(Composite<Dict>{std::move(v), extent});
}

Extent Value::extent() const {
  if (const auto* list = As<std::shared_ptr<const Composite<List>>>()) return (*list)->extent;
  if (const auto* dict = As<std::shared_ptr<const Composite<Dict>>>()) return (*dict)->extent;
  return {0, 1, As<std::shared_ptr<Namespace>>() != nullptr};
}

std::optional<std::int64_t> Value::AsInteger() const {
  if (const auto* integer = As<std::int64_t>()) return *integer;
  if (const bool* flag = As<bool>()) return *flag ? 1 : 0;
  return std::nullopt;
}

std::optional<double> Value::AsNumber() const {
  if (const double* number = As<double>()) return *number;
  if (const auto integer = AsInteger()) return static_cast<double>(*integer);
  return std::nullopt;
}

const Value* FindKey(const Dict& dict, std::string_view key) {
  for (const auto& [name, value] : dict) {
    if (name == key) return &value;
  }
  return nullptr;
}

void SetKey(Dict& dict, const std::string& key, Value value) {
  for (auto& [name, old] : dict) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  dict.emplace_back(key, std::move(value));
}

std::string_view TypeName(const Value& value) {
  constexpr std::array<std::string_view, 10> kNames = {
      "undefined", "None", "bool", "int", "float", "str", "list", "dict", "namespace", "function"};
  return kNames[value.data().index()];
}

bool IsTrue(const Value& value) {
  if (value.IsUndefined() || value.IsNone()) return false;
  if (const auto number = value.AsNumber()) return *number != 0;
  if (value.AsString() != nullptr) return !value.AsString()->empty();
  if (value.AsList() != nullptr) return !value.AsList()->empty();
  if (value.AsDict() != nullptr) return !value.AsDict()->empty();
  return true;
}

bool Equal(const Value& a, const Value& b) {
  if (a.AsInteger() && b.AsInteger()) return *a.AsInteger() == *b.AsInteger();
  if (a.AsNumber() && b.AsNumber()) return *a.AsNumber() == *b.AsNumber();
  if (a.data().index() != b.data().index()) return false;
  if (a.AsString() != nullptr) return *a.AsString() == *b.AsString();
  if (a.AsDict() != nullptr) return EqualDicts(*a.AsDict(), *b.AsDict());
  if (a.AsList() != nullptr) {
    return std::equal(a.AsList()->begin(), a.AsList()->end(), b.AsList()->begin(),
                      b.AsList()->end(), Equal);
  }
  return a.IsNone() || a.IsUndefined();
}

Result<int> Compare(const Value& a, const Value& b) {
  if (a.AsInteger() && b.AsInteger()) {
    return *a.AsInteger() < *b.AsInteger() ? -1 : (*a.AsInteger() > *b.AsInteger() ? 1 : 0);
  }
  if (a.AsNumber() && b.AsNumber()) return Sign(*a.AsNumber() - *b.AsNumber());
  if (a.AsString() != nullptr && b.AsString() != nullptr) {
    return Sign(a.AsString()->compare(*b.AsString()));
  }
  if (a.AsList() != nullptr && b.AsList() != nullptr) {
    for (std::size_t i = 0; i < std::min(a.AsList()->size(), b.AsList()->size()); ++i) {
      LATHE_ASSIGN_OR_RETURN(const int order, Compare((*a.AsList())[i], (*b.AsList())[i]));
      if (order != 0) return order;
    }
    return Sign(static_cast<double>(a.AsList()->size()) - static_cast<double>(b.AsList()->size()));
  }
  return Failure(ErrorCode::kInvalidArgument,
                 std::string(TypeName(a)) + " and " + std::string(TypeName(b)) + " have no order");
}

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
