#pragma once
// Values of the template language, with Python's rules for truth, equality, order, text and JSON.
// Copies of lists and dictionaries share their elements; only namespaces change after they are
// made.

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::chat_template {

struct Statement;
class Value;
using List = std::vector<Value>;
/// Keys are strings, in the order in which they were added.
using Dict = std::vector<std::pair<std::string, Value>>;

struct Undefined {
  std::string name;  ///< what was looked for; errors show it
};
struct None {};
struct Namespace {
  Dict members;
};
/// A function of the template: one of the built-in ones by name, or a macro of the tree.
struct Callable {
  std::string name;
  const Statement* macro = nullptr;
};

/// How much a value holds; kept so that templates cannot build what takes for ever to walk.
struct Extent {
  int depth = 0;           ///< of nested lists and dictionaries
  std::uint64_t size = 1;  ///< elements in all, counted as often as they appear; saturates
  bool holds_namespace = false;
};
template <class Items>
struct Composite {
  Items items;
  Extent extent;
};

class Value {
 public:
  using Variant =
      std::variant<Undefined, None, bool, std::int64_t, double, std::string,
                   std::shared_ptr<const Composite<List>>, std::shared_ptr<const Composite<Dict>>,
                   std::shared_ptr<Namespace>, Callable>;

  Value() = default;
  Value(bool v) : data_(v) {}                                   // NOLINT
  Value(std::int64_t v) : data_(v) {}                           // NOLINT
  Value(double v) : data_(v) {}                                 // NOLINT
  Value(std::string v) : data_(std::move(v)) {}                 // NOLINT
  Value(const char* v) : data_(std::string(v)) {}               // NOLINT
  Value(None v) : data_(v) {}                                   // NOLINT
  Value(Undefined v) : data_(std::move(v)) {}                   // NOLINT
  Value(Callable v) : data_(std::move(v)) {}                    // NOLINT
  Value(List v);                                                // NOLINT
  Value(Dict v);                                                // NOLINT
  Value(std::shared_ptr<Namespace> v) : data_(std::move(v)) {}  // NOLINT

  const Variant& data() const { return data_; }
  template <class T>
  const T* As() const {
    return std::get_if<T>(&data_);
  }
  const std::string* AsString() const { return As<std::string>(); }
  const List* AsList() const { return Shared<List>(); }
  const Dict* AsDict() const { return Shared<Dict>(); }
  bool IsUndefined() const { return As<Undefined>() != nullptr; }
  bool IsNone() const { return As<None>() != nullptr; }
  Extent extent() const;
  /// Integers, and booleans as 0 and 1.
  std::optional<std::int64_t> AsInteger() const;
  /// Any number as double.
  std::optional<double> AsNumber() const;

 private:
  template <class T>
  const T* Shared() const {
    const auto* shared = std::get_if<std::shared_ptr<const Composite<T>>>(&data_);
    return shared == nullptr ? nullptr : &(*shared)->items;
  }
  Variant data_;
};

const Value* FindKey(const Dict& dict, std::string_view key);
void SetKey(Dict& dict, const std::string& key, Value value);

/// "str", "dict", ... as Python names them; for messages.
std::string_view TypeName(const Value& value);
bool IsTrue(const Value& value);
bool Equal(const Value& a, const Value& b);
/// -1, 0, 1 for numbers, strings and lists; kInvalidArgument for what Python cannot order.
Result<int> Compare(const Value& a, const Value& b);

/// What `{{ value }}` prints: str() of Python.
std::string ToText(const Value& value);
/// json.dumps(value, ensure_ascii=False); with indent >= 0 in several lines.
Result<std::string> ToJson(const Value& value, int indent);

/// JSON integers beyond 63 bits become doubles.
Value FromJson(const nlohmann::ordered_json& json);

}  // namespace lathe::trainer::chat_template
