// Tests: `value is name`. A row in a table for each.

#include <cmath>

#include "worker/trainer/chat_template/functions.h"

namespace lathe::trainer::chat_template {
namespace {

using Test = Result<bool> (*)(const Value& value, const Value* argument);

Result<bool> NeedsArgument() {
  return Failure(ErrorCode::kInvalidArgument, "needs an argument");
}

template <bool (*kAccepts)(int)>
Result<bool> Ordered(const Value& value, const Value* argument) {
  if (argument == nullptr) return NeedsArgument();
  LATHE_ASSIGN_OR_RETURN(const int order, Compare(value, *argument));
  return kAccepts(order);
}

Result<bool> Equals(const Value& value, const Value* argument) {
  if (argument == nullptr) return NeedsArgument();
  return Equal(value, *argument);
}

Result<bool> Differs(const Value& value, const Value* argument) {
  if (argument == nullptr) return NeedsArgument();
  return !Equal(value, *argument);
}

Result<bool> In(const Value& value, const Value* argument) {
  if (argument == nullptr) return NeedsArgument();
  return Contains(*argument, value);
}

Result<std::int64_t> Integer(const Value* value) {
  if (value != nullptr && value->AsInteger()) return *value->AsInteger();
  return Failure(ErrorCode::kInvalidArgument, "needs an integer");
}

Result<bool> DivisibleBy(const Value& value, const Value* argument) {
  LATHE_ASSIGN_OR_RETURN(const std::int64_t number, Integer(&value));
  LATHE_ASSIGN_OR_RETURN(const std::int64_t divisor, Integer(argument));
  if (divisor == 0) return Failure(ErrorCode::kInvalidArgument, "division by zero");
  return divisor == -1 || number % divisor == 0;
}

template <bool kOdd>
Result<bool> Parity(const Value& value, const Value*) {
  LATHE_ASSIGN_OR_RETURN(const std::int64_t number, Integer(&value));
  return (number % 2 != 0) == kOdd;
}

template <auto kPredicate>
Result<bool> Is(const Value& value, const Value*) {
  return kPredicate(value);
}

bool IsString(const Value& v) {
  return v.AsString() != nullptr;
}
bool IsMapping(const Value& v) {
  return v.AsDict() != nullptr;
}
bool IsSequence(const Value& v) {
  return v.AsString() != nullptr || v.AsList() != nullptr || v.AsDict() != nullptr;
}
bool IsIterable(const Value& v) {
  return IsSequence(v) || v.IsUndefined();
}
bool IsDefined(const Value& v) {
  return !v.IsUndefined();
}
bool IsUndefinedValue(const Value& v) {
  return v.IsUndefined();
}
bool IsNoneValue(const Value& v) {
  return v.IsNone();
}
bool IsBoolean(const Value& v) {
  return v.As<bool>() != nullptr;
}
bool IsTrueValue(const Value& v) {
  return IsBoolean(v) && *v.As<bool>();
}
bool IsFalseValue(const Value& v) {
  return IsBoolean(v) && !*v.As<bool>();
}
bool IsNumber(const Value& v) {
  return v.AsNumber().has_value();
}
bool IsIntegerValue(const Value& v) {
  return v.As<std::int64_t>() != nullptr;
}
bool IsFloat(const Value& v) {
  return v.As<double>() != nullptr;
}
bool IsCallable(const Value& v) {
  return v.As<Callable>() != nullptr;
}
bool Less(int order) {
  return order < 0;
}
bool LessOrEqual(int order) {
  return order <= 0;
}
bool Greater(int order) {
  return order > 0;
}
bool GreaterOrEqual(int order) {
  return order >= 0;
}

struct Row {
  std::string_view name;
  Test test;
};
constexpr Row kTests[] = {
    {"defined", Is<IsDefined>},
    {"undefined", Is<IsUndefinedValue>},
    {"none", Is<IsNoneValue>},
    {"string", Is<IsString>},
    {"mapping", Is<IsMapping>},
    {"sequence", Is<IsSequence>},
    {"iterable", Is<IsIterable>},
    {"boolean", Is<IsBoolean>},
    {"true", Is<IsTrueValue>},
    {"false", Is<IsFalseValue>},
    {"number", Is<IsNumber>},
    {"integer", Is<IsIntegerValue>},
    {"float", Is<IsFloat>},
    {"callable", Is<IsCallable>},
    {"odd", Parity<true>},
    {"even", Parity<false>},
    {"divisibleby", DivisibleBy},
    {"eq", Equals},
    {"equalto", Equals},
    {"==", Equals},
    {"sameas", Equals},
    {"ne", Differs},
    {"!=", Differs},
    {"lt", Ordered<Less>},
    {"lessthan", Ordered<Less>},
    {"<", Ordered<Less>},
    {"le", Ordered<LessOrEqual>},
    {"<=", Ordered<LessOrEqual>},
    {"gt", Ordered<Greater>},
    {"greaterthan", Ordered<Greater>},
    {">", Ordered<Greater>},
    {"ge", Ordered<GreaterOrEqual>},
    {">=", Ordered<GreaterOrEqual>},
    {"in", In},
};

}  // namespace

Result<bool> ApplyTest(std::string_view name, const Value& value, const Arguments& arguments) {
  for (const Row& row : kTests) {
    if (row.name != name) continue;
    auto result =
        row.test(value, arguments.positional.empty() ? nullptr : &arguments.positional[0]);
    if (!result) return Failure(result.error().WithContext("is " + std::string(name)));
    return result;
  }
  return Failure(ErrorCode::kInvalidArgument,
                 "the test '" + std::string(name) + "' is not supported");
}

}  // namespace lathe::trainer::chat_template
