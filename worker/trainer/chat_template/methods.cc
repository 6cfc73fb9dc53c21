// Methods of strings and dictionaries. A row in a table for each.

#include <algorithm>
#include <span>

#include "worker/trainer/chat_template/functions.h"
#include "worker/trainer/chat_template/text.h"

namespace lathe::trainer::chat_template {
namespace {

using Method = Result<Value> (*)(const Value& object, const Arguments& arguments);
struct Row {
  std::string_view name;
  Method call;
};

/// A string argument; the empty one when it is left out and `fallback` allows that.
Result<std::string> TextArgument(const Arguments& arguments, std::size_t place) {
  const Value* value = arguments.Find(place, "");
  if (value == nullptr || value->AsString() == nullptr) return Bad("needs a string argument");
  return *value->AsString();
}

List Texts(const std::vector<std::string_view>& parts) {
  List list;
  for (const std::string_view part : parts) list.emplace_back(std::string(part));
  return list;
}

template <Side kSide>
Result<Value> Strip(const Value& object, const Arguments& arguments) {
  const Value* characters = arguments.Find(0, "chars");
  if (characters == nullptr || characters->IsNone()) {
    return Value(std::string(StripSpace(*object.AsString(), kSide)));
  }
  LATHE_ASSIGN_OR_RETURN(const std::string set, TextArgument(arguments, 0));
  return Value(std::string(StripCharacters(*object.AsString(), set, kSide)));
}

template <Case kCase>
Result<Value> ChangeCase(const Value& object, const Arguments&) {
  return Value(WithCase(*object.AsString(), kCase));
}

Result<Value> Split(const Value& object, const Arguments& arguments) {
  const Value* separator = arguments.Find(0, "sep");
  const Value* limit = arguments.Find(1, "maxsplit");
  if (separator == nullptr || separator->IsNone())
    return Value(Texts(SplitSpace(*object.AsString())));
  if (separator->AsString() == nullptr || separator->AsString()->empty()) {
    return Bad("split needs a separator that is not empty");
  }
  return Value(Texts(SplitBy(*object.AsString(), *separator->AsString(),
                             limit == nullptr ? -1 : limit->AsInteger().value_or(-1))));
}

Result<Value> SplitLines(const Value& object, const Arguments&) {
  std::vector<std::string_view> lines = SplitBy(*object.AsString(), "\n", -1);
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (std::string_view& line : lines) {
    if (line.ends_with('\r')) line.remove_suffix(1);
  }
  return Value(Texts(lines));
}

/// One string, or any of a list of them.
template <bool kAtStart>
Result<Value> HasAffix(const Value& object, const Arguments& arguments) {
  const Value* affix = arguments.Find(0, "");
  if (affix == nullptr) return Bad("needs a string argument");
  const List one = {*affix};
  for (const Value& candidate : affix->AsList() != nullptr ? *affix->AsList() : one) {
    if (candidate.AsString() == nullptr) return Bad("needs a string argument");
    if (kAtStart ? object.AsString()->starts_with(*candidate.AsString())
                 : object.AsString()->ends_with(*candidate.AsString())) {
      return Value(true);
    }
  }
  return Value(false);
}

Result<Value> Replace(const Value& object, const Arguments& arguments) {
  return ApplyFilter("replace", object, arguments);
}

template <bool kFromEnd>
Result<Value> Find(const Value& object, const Arguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const std::string needle, TextArgument(arguments, 0));
  const std::string& text = *object.AsString();
  const std::size_t found = kFromEnd ? text.rfind(needle) : text.find(needle);
  if (found == std::string::npos) return Value(std::int64_t{-1});
  return Value(CharacterCount(std::string_view(text).substr(0, found)));
}

Result<Value> Count(const Value& object, const Arguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const std::string needle, TextArgument(arguments, 0));
  if (needle.empty()) return Value(CharacterCount(*object.AsString()) + 1);
  return Value(static_cast<std::int64_t>(SplitBy(*object.AsString(), needle, -1).size()) - 1);
}

Result<Value> Join(const Value& object, const Arguments& arguments) {
  if (arguments.positional.empty()) return Bad("join needs a list");
  return ApplyFilter("join", arguments.positional[0], {{object}, {}});
}

template <bool kAtStart>
Result<Value> RemoveAffix(const Value& object, const Arguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const std::string affix, TextArgument(arguments, 0));
  std::string text = *object.AsString();
  if (kAtStart && text.starts_with(affix)) text.erase(0, affix.size());
  if (!kAtStart && text.ends_with(affix)) text.erase(text.size() - affix.size());
  return Value(std::move(text));
}

Result<Value> IsDigits(const Value& object, const Arguments&) {
  const std::string& text = *object.AsString();
  return Value(!text.empty() &&
               std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

constexpr Row kStringMethods[] = {
    {"strip", Strip<Side::kBoth>},
    {"lstrip", Strip<Side::kLeft>},
    {"rstrip", Strip<Side::kRight>},
    {"upper", ChangeCase<Case::kUpper>},
    {"lower", ChangeCase<Case::kLower>},
    {"title", ChangeCase<Case::kTitle>},
    {"capitalize", ChangeCase<Case::kCapitalized>},
    {"split", Split},
    {"splitlines", SplitLines},
    {"startswith", HasAffix<true>},
    {"endswith", HasAffix<false>},
    {"replace", Replace},
    {"find", Find<false>},
    {"rfind", Find<true>},
    {"count", Count},
    {"join", Join},
    {"removeprefix", RemoveAffix<true>},
    {"removesuffix", RemoveAffix<false>},
    {"isdigit", IsDigits},
};

Result<Value> Items(const Value& object, const Arguments&) {
  List items;
  for (const auto& [key, member] : *object.AsDict()) items.emplace_back(List{key, member});
  return Value(std::move(items));
}

Result<Value> Keys(const Value& object, const Arguments&) {
  List keys;
  for (const auto& [key, member] : *object.AsDict()) keys.emplace_back(key);
  return Value(std::move(keys));
}

Result<Value> Values(const Value& object, const Arguments&) {
  List values;
  for (const auto& [key, member] : *object.AsDict()) values.push_back(member);
  return Value(std::move(values));
}

Result<Value> Get(const Value& object, const Arguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const std::string key, TextArgument(arguments, 0));
  if (const Value* found = FindKey(*object.AsDict(), key)) return *found;
  const Value* fallback = arguments.Find(1, "default");
  return fallback == nullptr ? Value(None{}) : *fallback;
}

constexpr Row kDictMethods[] = {{"items", Items}, {"keys", Keys}, {"values", Values}, {"get", Get}};

Method FindMethod(const Value& object, std::string_view name) {
  std::span<const Row> rows;
  if (object.AsString() != nullptr) rows = kStringMethods;
  if (object.AsDict() != nullptr) rows = kDictMethods;
  for (const Row& row : rows) {
    if (row.name == name) return row.call;
  }
  return nullptr;
}

}  // namespace

const Value* Arguments::Find(std::size_t place, std::string_view name) const {
  if (place < positional.size()) return &positional[place];
  for (const auto& [given, value] : named) {
    if (given == name) return &value;
  }
  return nullptr;
}

bool HasMethod(const Value& object, std::string_view name) {
  return FindMethod(object, name) != nullptr;
}

Result<Value> CallMethod(const Value& object, std::string_view name, const Arguments& arguments) {
  const Method method = FindMethod(object, name);
  if (method == nullptr) {
    return Bad("a value of type " + std::string(TypeName(object)) + " has no method '" +
               std::string(name) + "'");
  }
  auto result = method(object, arguments);
  if (!result) return Failure(result.error().WithContext(name));
  return result;
}

}  // namespace lathe::trainer::chat_template
