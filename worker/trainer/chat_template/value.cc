#include "worker/trainer/chat_template/value.h"

#include <algorithm>

namespace lathe::trainer::chat_template {
namespace {

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

}  // namespace lathe::trainer::chat_template
