// Filters: `value | name(arguments)`. A row in a table for each.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "worker/trainer/chat_template/functions.h"
#include "worker/trainer/chat_template/text.h"

namespace lathe::trainer::chat_template {
namespace {

using Filter = Result<Value> (*)(const Value& value, const Arguments& arguments);

Result<Value> Trim(const Value& value, const Arguments& arguments) {
  return CallMethod(Value(ToText(value)), "strip", arguments);
}

template <Case kCase>
Result<Value> ChangeCase(const Value& value, const Arguments&) {
  return Value(WithCase(ToText(value), kCase));
}

Result<Value> Length(const Value& value, const Arguments&) {
  if (value.AsString() != nullptr) return Value(CharacterCount(*value.AsString()));
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  return Value(static_cast<std::int64_t>(elements.size()));
}

Result<Value> AsJson(const Value& value, const Arguments& arguments) {
  const Value* indent = arguments.Find(0, "indent");
  const std::int64_t width = indent == nullptr ? -1 : indent->AsInteger().value_or(-1);
  if (width > 32) return Bad("indent is too large");
  LATHE_ASSIGN_OR_RETURN(std::string json, ToJson(value, static_cast<int>(width)));
  return Value(std::move(json));
}

Result<Value> Join(const Value& value, const Arguments& arguments) {
  const Value* separator = arguments.Find(0, "d");
  const Value* attribute = arguments.Find(1, "attribute");
  const std::string between = separator == nullptr ? "" : ToText(*separator);
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  std::string joined;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (i > 0) joined += between;
    Value element = elements[i];
    if (attribute != nullptr) {
      LATHE_ASSIGN_OR_RETURN(element, GetPath(elements[i], *attribute));
    }
    joined += ToText(element);
    if (joined.size() > kMaxTextBytes) return Bad("the text is too long");
  }
  return Value(std::move(joined));
}

Result<Value> Default(const Value& value, const Arguments& arguments) {
  const Value* fallback = arguments.Find(0, "default_value");
  const Value* also_false = arguments.Find(1, "boolean");
  const bool takes_false = also_false != nullptr && IsTrue(*also_false);
  if (!value.IsUndefined() && (!takes_false || IsTrue(value))) return value;
  return fallback == nullptr ? Value("") : *fallback;
}

/// What is left of the arguments after the first `count`.
Arguments Rest(const Arguments& arguments, std::size_t count) {
  Arguments rest = arguments;
  const std::size_t dropped = std::min(count, rest.positional.size());
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(dropped));
  return rest;
}

Result<bool> Passes(const Value& value, const Arguments& test) {
  if (test.positional.empty()) return IsTrue(value);
  if (test.positional[0].AsString() == nullptr) return Bad("needs the name of a test");
  return ApplyTest(*test.positional[0].AsString(), value, Rest(test, 1));
}

template <bool kKeep, bool kByAttribute>
Result<Value> Select(const Value& value, const Arguments& arguments) {
  if (kByAttribute && arguments.positional.empty()) return Bad("needs the name of an attribute");
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  const Arguments test = kByAttribute ? Rest(arguments, 1) : arguments;
  List selected;
  for (const Value& element : elements) {
    Value tested = element;
    if (kByAttribute) {
      LATHE_ASSIGN_OR_RETURN(tested, GetPath(element, arguments.positional[0]));
    }
    LATHE_ASSIGN_OR_RETURN(const bool passes, Passes(tested, test));
    if (passes == kKeep) selected.push_back(element);
  }
  return Value(std::move(selected));
}

Result<Value> Map(const Value& value, const Arguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  const Value* attribute = arguments.Find(SIZE_MAX, "attribute");
  const Value* fallback = arguments.Find(SIZE_MAX, "default");
  if (attribute == nullptr &&
      (arguments.positional.empty() || arguments.positional[0].AsString() == nullptr)) {
    return Bad("needs attribute= or the name of a filter");
  }
  List mapped;
  for (const Value& element : elements) {
    auto result = attribute != nullptr ? GetPath(element, *attribute)
                                       : ApplyFilter(*arguments.positional[0].AsString(), element,
                                                     Rest(arguments, 1));
    if (!result) return result;
    mapped.push_back(result->IsUndefined() && fallback != nullptr ? *fallback : *std::move(result));
  }
  return Value(std::move(mapped));
}

Result<Value> Items(const Value& value, const Arguments&) {
  if (value.IsUndefined()) return Value(List{});
  return CallMethod(value, "items", {});
}

Result<Value> AsList(const Value& value, const Arguments&) {
  LATHE_ASSIGN_OR_RETURN(List elements, Elements(value));
  return Value(std::move(elements));
}

Result<Value> AsText(const Value& value, const Arguments&) {
  return Value(ToText(value));
}

Result<Value> Replace(const Value& value, const Arguments& arguments) {
  const Value* from = arguments.Find(0, "old");
  const Value* to = arguments.Find(1, "new");
  const Value* count = arguments.Find(2, "count");
  if (from == nullptr || to == nullptr || ToText(*from).empty()) {
    return Bad("needs what to replace and what by");
  }
  const std::string text = ToText(value);
  const std::string replacement = ToText(*to);
  const std::int64_t limit = count == nullptr ? -1 : count->AsInteger().value_or(-1);
  std::string replaced;
  bool first = true;
  for (const std::string_view part : SplitBy(text, ToText(*from), limit)) {
    if (!first) replaced += replacement;
    first = false;
    replaced += part;
    if (replaced.size() > kMaxTextBytes) return Bad("the text is too long");
  }
  return Value(std::move(replaced));
}

template <bool kLast>
Result<Value> Edge(const Value& value, const Arguments&) {
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  if (elements.empty()) return Value(Undefined{kLast ? "last" : "first"});
  return kLast ? elements.back() : elements.front();
}

Result<Value> ToInteger(const Value& value, const Arguments& arguments) {
  const Value* fallback = arguments.Find(0, "default");
  if (value.AsInteger()) return Value(*value.AsInteger());
  double number = 0;
  bool good = false;
  if (value.AsNumber()) {
    number = *value.AsNumber();
    good = true;
  } else if (value.AsString() != nullptr) {
    const std::string text(StripSpace(*value.AsString(), Side::kBoth));
    char* end = nullptr;
    number = std::strtod(text.c_str(), &end);
    good = !text.empty() && *end == '\0';
  }
  if (good && std::abs(number) < 0x1p63) return Value(static_cast<std::int64_t>(number));
  return fallback == nullptr ? Value(std::int64_t{0}) : *fallback;
}

Result<Value> ToFloat(const Value& value, const Arguments& arguments) {
  const Value* fallback = arguments.Find(0, "default");
  if (value.AsNumber()) return Value(*value.AsNumber());
  if (value.AsString() != nullptr) {
    char* end = nullptr;
    const double number = std::strtod(value.AsString()->c_str(), &end);
    if (!value.AsString()->empty() && *end == '\0') return Value(number);
  }
  return fallback == nullptr ? Value(0.0) : *fallback;
}

Result<Value> Absolute(const Value& value, const Arguments&) {
  if (value.AsInteger() && *value.AsInteger() != INT64_MIN)
    return Value(std::abs(*value.AsInteger()));
  if (value.AsNumber()) return Value(std::abs(*value.AsNumber()));
  return Bad("needs a number");
}

Result<Value> Same(const Value& value, const Arguments&) {
  return value;
}

Result<Value> Reverse(const Value& value, const Arguments&) {
  return GetSlice(value, {Value(), Value(), Value(std::int64_t{-1})});
}

/// Strings that differ only in case are the same; the first one stays.
Result<Value> Unique(const Value& value, const Arguments&) {
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  if (elements.size() > 10'000) return Bad("the list is too long");
  List keys;
  List unique;
  for (const Value& element : elements) {
    const std::string* text = element.AsString();
    Value key = text != nullptr ? Value(WithCase(*text, Case::kLower)) : element;
    const bool seen = std::any_of(keys.begin(), keys.end(),
                                  [&](const Value& other) { return Equal(key, other); });
    if (seen) continue;
    keys.push_back(std::move(key));
    unique.push_back(element);
  }
  return Value(std::move(unique));
}

/// Stable; strings without regard to case unless case_sensitive.
Result<Value> Sort(const Value& value, const Arguments& arguments) {
  const Value* reverse = arguments.Find(0, "reverse");
  const Value* case_sensitive = arguments.Find(1, "case_sensitive");
  const Value* attribute = arguments.Find(2, "attribute");
  const bool folds = case_sensitive == nullptr || !IsTrue(*case_sensitive);
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& element : elements) {
    Value key = element;
    if (attribute != nullptr) {
      LATHE_ASSIGN_OR_RETURN(key, GetPath(element, *attribute));
    }
    if (folds && key.AsString() != nullptr) key = WithCase(*key.AsString(), Case::kLower);
    if (!keyed.empty()) LATHE_RETURN_IF_ERROR(Compare(keyed[0].first, key));
    keyed.emplace_back(std::move(key), element);
  }
  const bool descending = reverse != nullptr && IsTrue(*reverse);
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    const int order = Compare(a.first, b.first).value_or(0);
    return descending ? order > 0 : order < 0;
  });
  List sorted;
  for (auto& [key, element] : keyed) sorted.push_back(std::move(element));
  return Value(std::move(sorted));
}

/// By key, as Jinja does unless told otherwise.
Result<Value> DictSort(const Value& value, const Arguments& arguments) {
  if (!arguments.positional.empty() || !arguments.named.empty()) {
    return Bad("arguments are not supported");
  }
  LATHE_ASSIGN_OR_RETURN(const Value items, CallMethod(value, "items", {}));
  return Sort(items, {{}, {{"attribute", Value(std::int64_t{0})}}});
}

/// All lines but the first (with first=true also that one) move right; empty ones stay empty.
Result<Value> Indent(const Value& value, const Arguments& arguments) {
  const Value* width = arguments.Find(0, "width");
  const Value* first = arguments.Find(1, "first");
  const std::int64_t spaces = width == nullptr ? 4 : width->AsInteger().value_or(-1);
  if (spaces < 0 || spaces > 1000) return Bad("needs a width from 0 to 1000");
  const std::string indent(static_cast<std::size_t>(spaces), ' ');
  std::string out;
  bool first_line = true;
  const std::string text = ToText(value);
  for (const std::string_view line : SplitBy(text, "\n", -1)) {
    if (!first_line) out += '\n';
    const bool indents = first_line ? first != nullptr && IsTrue(*first) : !line.empty();
    if (indents) out += indent;
    out += line;
    first_line = false;
    if (out.size() > kMaxTextBytes) return Bad("the text is too long");
  }
  return Value(std::move(out));
}

Result<Value> Sum(const Value& value, const Arguments& arguments) {
  const Value* attribute = arguments.Find(0, "attribute");
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  Value sum(std::int64_t{0});
  for (const Value& element : elements) {
    Value term = element;
    if (attribute != nullptr) {
      LATHE_ASSIGN_OR_RETURN(term, GetPath(element, *attribute));
    }
    LATHE_ASSIGN_OR_RETURN(sum, Calculate("+", sum, term));
  }
  return sum;
}

template <bool kGreatest>
Result<Value> Extreme(const Value& value, const Arguments&) {
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  Value best(Undefined{kGreatest ? "max" : "min"});
  for (const Value& element : elements) {
    if (!best.IsUndefined()) {
      LATHE_ASSIGN_OR_RETURN(const int order, Compare(element, best));
      if (kGreatest ? order <= 0 : order >= 0) continue;
    }
    best = element;
  }
  return best;
}

struct Row {
  std::string_view name;
  Filter filter;
};
constexpr Row kFilters[] = {
    {"trim", Trim},
    {"upper", ChangeCase<Case::kUpper>},
    {"lower", ChangeCase<Case::kLower>},
    {"title", ChangeCase<Case::kTitle>},
    {"capitalize", ChangeCase<Case::kCapitalized>},
    {"length", Length},
    {"count", Length},
    {"tojson", AsJson},
    {"join", Join},
    {"default", Default},
    {"d", Default},
    {"select", Select<true, false>},
    {"reject", Select<false, false>},
    {"selectattr", Select<true, true>},
    {"rejectattr", Select<false, true>},
    {"map", Map},
    {"items", Items},
    {"dictsort", DictSort},
    {"list", AsList},
    {"string", AsText},
    {"replace", Replace},
    {"first", Edge<false>},
    {"last", Edge<true>},
    {"int", ToInteger},
    {"float", ToFloat},
    {"abs", Absolute},
    {"safe", Same},
    {"reverse", Reverse},
    {"unique", Unique},
    {"sort", Sort},
    {"indent", Indent},
    {"sum", Sum},
    {"max", Extreme<true>},
    {"min", Extreme<false>},
};

}  // namespace

Result<Value> ApplyFilter(std::string_view name, const Value& value, const Arguments& arguments) {
  for (const Row& row : kFilters) {
    if (row.name != name) continue;
    auto result = row.filter(value, arguments);
    if (!result) return Failure(result.error().WithContext("filter " + std::string(name)));
    return result;
  }
  return Failure(ErrorCode::kInvalidArgument,
                 "the filter '" + std::string(name) + "' is not supported");
}

}  // namespace lathe::trainer::chat_template
