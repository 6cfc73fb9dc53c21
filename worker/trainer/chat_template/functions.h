#pragma once
// Global functions, filters, tests, methods and member access of the template language. Pure: what
// they need comes as arguments. Errors are kInvalidArgument and name the function.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "worker/trainer/chat_template/value.h"

namespace lathe::trainer::chat_template {

inline constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20;
inline constexpr std::int64_t kMaxElements = 1'000'000;

/// What a template, or what it is applied to, does wrong.
inline tl::unexpected<Error> Bad(const std::string& what) {
  return Failure(ErrorCode::kInvalidArgument, what);
}

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// By place or by name; nullptr when it is not given.
  const Value* Find(std::size_t place, std::string_view name) const;
};

inline constexpr const char* kGlobals[] = {"range", "namespace", "raise_exception", "strftime_now",
                                           "dict"};
/// `name(arguments)` of one of kGlobals.
Result<Value> CallGlobal(std::string_view name, const Arguments& arguments, Instant now);
/// `value | name(arguments)`.
Result<Value> ApplyFilter(std::string_view name, const Value& value, const Arguments& arguments);
/// `value is name(arguments)`.
Result<bool> ApplyTest(std::string_view name, const Value& value, const Arguments& arguments);
/// Whether `object.name(...)` is a method of that type.
bool HasMethod(const Value& object, std::string_view name);
Result<Value> CallMethod(const Value& object, std::string_view name, const Arguments& arguments);

/// object.name; undefined when there is no such member. Of an undefined object: an error.
Result<Value> GetAttribute(const Value& object, const std::string& name);
/// object[index].
Result<Value> GetItem(const Value& object, const Value& index);
/// "a.b.0" as map, selectattr and others take it.
Result<Value> GetPath(const Value& object, const Value& path);
/// object[start:stop:step]; undefined for what is left out.
struct SliceBounds {
  Value start, stop, step;
};
Result<Value> GetSlice(const Value& object, const SliceBounds& bounds);
/// `needle in haystack`.
Result<bool> Contains(const Value& haystack, const Value& needle);

/// Elements of a list, keys of a dictionary, characters of a string; nothing of undefined.
Result<List> Elements(const Value& value);
/// a + b, a ~ b, a * b, ...; `op` as it is written.
Result<Value> Calculate(std::string_view op, const Value& a, const Value& b);

}  // namespace lathe::trainer::chat_template
