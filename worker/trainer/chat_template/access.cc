// Member access, slices, containment and arithmetic.

#include <algorithm>
#include <charconv>
#include <cmath>

#include "worker/trainer/chat_template/functions.h"
#include "worker/trainer/chat_template/text.h"

namespace lathe::trainer::chat_template {
namespace {

std::string Named(const Undefined& undefined) {
  return undefined.name.empty() ? "a value" : "'" + undefined.name + "'";
}

/// Element at a Python index, or nullopt outside.
template <class Sequence>
std::optional<std::size_t> Position(const Sequence& sequence, std::int64_t index) {
  const auto size = static_cast<std::int64_t>(sequence.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  return static_cast<std::size_t>(index);
}

Result<std::optional<std::int64_t>> Bound(const Value& value) {
  if (value.IsUndefined() || value.IsNone()) return std::nullopt;
  if (const auto integer = value.AsInteger()) return integer;
  return Bad("a slice needs integers, not " + std::string(TypeName(value)));
}

/// Indices of a Python slice over `size` elements.
Result<std::vector<std::size_t>> SliceIndices(std::int64_t size, const SliceBounds& bounds) {
  LATHE_ASSIGN_OR_RETURN(const auto start, Bound(bounds.start));
  LATHE_ASSIGN_OR_RETURN(const auto stop, Bound(bounds.stop));
  LATHE_ASSIGN_OR_RETURN(const auto given_step, Bound(bounds.step));
  const std::int64_t step = given_step.value_or(1);
  if (step == 0) return Bad("a slice's step cannot be 0");
  const std::int64_t low = step > 0 ? 0 : -1;
  const std::int64_t high = step > 0 ? size : size - 1;
  const auto clamp = [&](std::int64_t at) {
    return std::clamp(at < 0 && at >= -size ? at + size : (at < 0 ? low : at), low, high);
  };
  std::vector<std::size_t> indices;
  const std::int64_t first = start ? clamp(*start) : (step > 0 ? low : high);
  const std::int64_t last = stop ? clamp(*stop) : (step > 0 ? high : low);
  const std::int64_t stride = std::clamp(step, -size - 1, size + 1);
  for (std::int64_t i = first; stride > 0 ? i < last : i > last; i += stride) {
    indices.push_back(static_cast<std::size_t>(i));
  }
  return indices;
}

Result<Value> Repeat(const Value& sequence, std::int64_t count) {
  count = std::max<std::int64_t>(count, 0);
  const std::string* text = sequence.AsString();
  const List* list = sequence.AsList();
  const std::size_t size = text != nullptr ? text->size() : list->size();
  const std::size_t limit =
      text != nullptr ? kMaxTextBytes : static_cast<std::size_t>(kMaxElements);
  if (size > 0 && static_cast<std::uint64_t>(count) > limit / size)
    return Bad("a repetition is too long");
  std::string repeated_text;
  List repeated;
  for (std::int64_t i = 0; i < count; ++i) {
    if (text != nullptr) {
      repeated_text += *text;
    } else {
      repeated.insert(repeated.end(), list->begin(), list->end());
    }
  }
  if (text != nullptr) return Value(std::move(repeated_text));
  return Value(std::move(repeated));
}

Result<Value> CalculateIntegers(std::string_view op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (op == "//" || op == "%") {
    if (b == 0) return Bad("division by zero");
    if (b == -1) {
      overflow = op == "//" && __builtin_sub_overflow(std::int64_t{0}, a, &result);
    } else {
      const std::int64_t remainder = ((a % b) + b) % b;
      result = op == "%" ? remainder : (a - remainder) / b;
    }
  } else if (op == "**" && b >= 0) {
    result = 1;
    for (std::int64_t i = 0; i < b && !overflow; ++i) {
      if (a == 0 || a == 1 || a == -1) {
        result = a == 0 ? 0 : (a == 1 || b % 2 == 0 ? 1 : -1);
        break;
      }
      overflow = __builtin_mul_overflow(result, a, &result);
    }
  }
  if (overflow) return Bad("an integer is too large");
  return Value(result);
}

Result<Value> CalculateFloats(std::string_view op, double a, double b) {
  if (op == "+") return Value(a + b);
  if (op == "-") return Value(a - b);
  if (op == "*") return Value(a * b);
  if (op == "**") return Value(std::pow(a, b));
  if (b == 0) return Bad("division by zero");
  if (op == "/") return Value(a / b);
  if (op == "//") return Value(std::floor(a / b));
  return Value(a - b * std::floor(a / b));
}

}  // namespace

Result<Value> GetAttribute(const Value& object, const std::string& name) {
  if (const auto* undefined = object.As<Undefined>()) {
    return Bad(Named(*undefined) + " is undefined, so it has no '" + name + "'");
  }
  const Dict* members = object.AsDict();
  if (const auto* space = object.As<std::shared_ptr<Namespace>>()) members = &(*space)->members;
  if (members != nullptr) {
    if (const Value* found = FindKey(*members, name)) return *found;
  }
  return Value(Undefined{name});
}

Result<Value> GetItem(const Value& object, const Value& index) {
  if (index.AsString() != nullptr) return GetAttribute(object, *index.AsString());
  if (const auto* undefined = object.As<Undefined>()) {
    return Bad(Named(*undefined) + " is undefined, so it has no elements");
  }
  const auto integer = index.AsInteger();
  if (integer && object.AsList() != nullptr) {
    const auto at = Position(*object.AsList(), *integer);
    return at ? (*object.AsList())[*at] : Value(Undefined{std::to_string(*integer)});
  }
  if (integer && object.AsString() != nullptr) {
    const auto characters = Characters(*object.AsString());
    const auto at = Position(characters, *integer);
    return at ? Value(std::string(characters[*at])) : Value(Undefined{std::to_string(*integer)});
  }
  return Value(Undefined{ToText(index)});
}

Result<Value> GetPath(const Value& object, const Value& path) {
  if (path.AsString() == nullptr) return GetItem(object, path);
  Value at = object;
  for (const std::string_view part : SplitBy(*path.AsString(), ".", -1)) {
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = error == std::errc() && end == part.data() + part.size();
    LATHE_ASSIGN_OR_RETURN(
        at, is_index ? GetItem(at, Value(index)) : GetAttribute(at, std::string(part)));
  }
  return at;
}

Result<Value> GetSlice(const Value& object, const SliceBounds& bounds) {
  if (const List* list = object.AsList()) {
    LATHE_ASSIGN_OR_RETURN(const auto indices,
                           SliceIndices(static_cast<std::int64_t>(list->size()), bounds));
    List part;
    for (const std::size_t i : indices) part.push_back((*list)[i]);
    return Value(std::move(part));
  }
  if (const std::string* text = object.AsString()) {
    const auto characters = Characters(*text);
    LATHE_ASSIGN_OR_RETURN(const auto indices,
                           SliceIndices(static_cast<std::int64_t>(characters.size()), bounds));
    std::string part;
    for (const std::size_t i : indices) part += characters[i];
    return Value(std::move(part));
  }
  return Bad("a value of type " + std::string(TypeName(object)) + " cannot be sliced");
}

Result<bool> Contains(const Value& haystack, const Value& needle) {
  if (const std::string* text = haystack.AsString()) {
    if (needle.AsString() == nullptr) {
      return Bad("'in' a string needs a string, not " + std::string(TypeName(needle)));
    }
    return text->find(*needle.AsString()) != std::string::npos;
  }
  if (const Dict* dict = haystack.AsDict()) {
    return needle.AsString() != nullptr && FindKey(*dict, *needle.AsString()) != nullptr;
  }
  if (const List* list = haystack.AsList()) {
    return std::any_of(list->begin(), list->end(),
                       [&](const Value& element) { return Equal(element, needle); });
  }
  if (haystack.IsUndefined()) return false;
  return Bad("'in' cannot search a value of type " + std::string(TypeName(haystack)));
}

Result<List> Elements(const Value& value) {
  if (value.AsList() != nullptr) return *value.AsList();
  if (value.IsUndefined()) return List{};
  List elements;
  if (const Dict* dict = value.AsDict()) {
    for (const auto& [key, member] : *dict) elements.emplace_back(key);
    return elements;
  }
  if (const std::string* text = value.AsString()) {
    for (const std::string_view character : Characters(*text)) {
      elements.emplace_back(std::string(character));
    }
    return elements;
  }
  return Bad("a value of type " + std::string(TypeName(value)) + " has no elements");
}

Result<Value> Calculate(std::string_view op, const Value& a, const Value& b) {
  if (op == "~") return Value(ToText(a) + ToText(b));
  for (const Value* operand : {&a, &b}) {
    if (const auto* undefined = operand->As<Undefined>())
      return Bad(Named(*undefined) + " is undefined");
  }
  if (op == "+" && a.AsString() != nullptr && b.AsString() != nullptr) {
    return Value(*a.AsString() + *b.AsString());
  }
  if (op == "+" && a.AsList() != nullptr && b.AsList() != nullptr) {
    List joined = *a.AsList();
    joined.insert(joined.end(), b.AsList()->begin(), b.AsList()->end());
    return Value(std::move(joined));
  }
  const auto is_sequence = [](const Value& v) {
    return v.AsString() != nullptr || v.AsList() != nullptr;
  };
  if (op == "*" && is_sequence(a) && b.AsInteger()) return Repeat(a, *b.AsInteger());
  if (op == "*" && is_sequence(b) && a.AsInteger()) return Repeat(b, *a.AsInteger());
  const bool to_float = op == "/" || (op == "**" && b.AsInteger().value_or(0) < 0);
  if (a.AsInteger() && b.AsInteger() && !to_float) {
    return CalculateIntegers(op, *a.AsInteger(), *b.AsInteger());
  }
  if (a.AsNumber() && b.AsNumber()) return CalculateFloats(op, *a.AsNumber(), *b.AsNumber());
  return Bad("'" + std::string(op) + "' cannot join " + std::string(TypeName(a)) + " and " +
             std::string(TypeName(b)));
}

}  // namespace lathe::trainer::chat_template
