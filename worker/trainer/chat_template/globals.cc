// The functions that every template has.

#include <array>
#include <ctime>

#include "worker/trainer/chat_template/functions.h"

namespace lathe::trainer::chat_template {
namespace {

Result<Value> Range(const Arguments& arguments) {
  std::array<std::int64_t, 3> bounds = {0, 0, 1};
  const std::size_t count = arguments.positional.size();
  if (count < 1 || count > 3) return Bad("range needs one to three integers");
  for (std::size_t i = 0; i < count; ++i) {
    const auto integer = arguments.positional[i].AsInteger();
    if (!integer) return Bad("range needs integers");
    bounds[count == 1 ? 1 : i] = *integer;
  }
  const auto [start, stop, step] = bounds;
  if (step == 0) return Bad("range's step cannot be 0");
  List list;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<std::int64_t>(list.size()) >= kMaxElements)
      return Bad("the template makes too long a range");
    list.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value(std::move(list));
}

Result<Value> FormatTime(Instant now, const Arguments& arguments) {
  if (arguments.positional.size() != 1 || arguments.positional[0].AsString() == nullptr) {
    return Bad("strftime_now needs a format");
  }
  const std::string& format = *arguments.positional[0].AsString();
  if (format.empty()) return Value("");
  const std::time_t seconds = ToMicros(now) / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 1024> buffer{};
  const std::size_t size = std::strftime(buffer.data(), buffer.size(), format.c_str(), &parts);
  if (size == 0) return Bad("strftime_now's format is too long");
  return Value(std::string(buffer.data(), size));
}

Value MakeNamespace(const Arguments& arguments) {
  auto made = std::make_shared<Namespace>();
  if (!arguments.positional.empty() && arguments.positional[0].AsDict() != nullptr) {
    made->members = *arguments.positional[0].AsDict();
  }
  for (const auto& [name, value] : arguments.named) SetKey(made->members, name, value);
  return made;
}

}  // namespace

Result<Value> CallGlobal(std::string_view name, const Arguments& arguments, Instant now) {
  if (name == "range") return Range(arguments);
  if (name == "strftime_now") return FormatTime(now, arguments);
  if (name == "dict") {
    Dict dict;
    for (const auto& [key, value] : arguments.named) SetKey(dict, key, value);
    return Value(std::move(dict));
  }
  if (name == "raise_exception") {
    return Bad(arguments.positional.empty() ? "the template refuses the conversation"
                                            : ToText(arguments.positional[0]));
  }
  for (const auto& [key, value] : arguments.named) {
    if (value.extent().holds_namespace) return Bad("a namespace cannot hold a namespace");
  }
  return MakeNamespace(arguments);
}

}  // namespace lathe::trainer::chat_template
