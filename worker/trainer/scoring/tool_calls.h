#pragma once
// Calls of tools as a model writes them, read back from text. How they are written is learnt from
// the model's own chat template, by what it makes of calls that are known; for templates that write
// none there are the forms that data commonly has. Immutable, thread-safe.

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "worker/trainer/data/text_model.h"

namespace lathe::trainer::scoring {

struct ToolCall {
  std::string name;
  nlohmann::json arguments;  ///< an object; the order of its keys does not matter

  friend bool operator==(const ToolCall&, const ToolCall&) = default;
};

/// Whether they are the same calls, in whatever order.
bool SameCalls(const std::vector<ToolCall>& left, const std::vector<ToolCall>& right);

/// A JSON object with name and arguments: {"name": "f", "arguments": {...}}, alone, within others
/// or in a list.
struct ObjectForm {
  std::string name_key;
  std::string arguments_key;
  std::string before;  ///< what stands around the JSON, without white space at its ends
  std::string after;
};
/// The name in plain text and the arguments as JSON behind it: f\n```json\n{...}
struct NamedForm {
  std::string before;
  std::string between;
  std::string after;
};
/// Python's calls, in a list or one alone: [f(a="x", b=3), g()]. Without marks they are the whole
/// text; nothing follows them where none is behind.
struct PythonForm {
  std::string before;
  std::string after;
};
/// Name, keys and values between marks: <function=f><parameter=k>v</parameter></function>
struct MarkedForm {
  std::string before;       ///< in front of the name
  std::string first_key;    ///< between name and first key
  std::string value;        ///< between key and value
  std::string next_key;     ///< between a value and the next key
  std::string after;        ///< behind the last value
  std::string without_any;  ///< behind the name of a call without arguments
};

class ToolCallFormat {
 public:
  /// What the template makes of an answer that only makes these calls, given as it is in rows of
  /// data ([{"function": {"name", "arguments"}}]); nullopt when it cannot.
  using Renderer = std::function<std::optional<std::string>(const nlohmann::ordered_json& calls)>;

  /// nullopt when the template writes no calls, or none that can be read back.
  static std::optional<ToolCallFormat> Learn(const Renderer& render);
  static std::optional<ToolCallFormat> Learn(const data::TextModel& model);

  /// As models commonly write them, whatever their templates: after the marks of Hermes, Mistral
  /// and Llama, or as Python.
  static std::vector<ToolCallFormat> Common();
  /// How these answers have their calls: as the template writes them or, when none of them has any
  /// that way, in a common form. The template's when there are no calls in them.
  static std::optional<ToolCallFormat> Choose(const data::TextModel& model,
                                              std::span<const std::string> answers);

  /// The calls that a text makes; those that are not whole, or not as the template would have
  /// written them but for white space, are none.
  std::vector<ToolCall> Read(std::string_view text) const;

 private:
  using Form = std::variant<ObjectForm, NamedForm, PythonForm, MarkedForm>;
  explicit ToolCallFormat(Form form) : form_(std::move(form)) {}

  Form form_;
};

}  // namespace lathe::trainer::scoring
