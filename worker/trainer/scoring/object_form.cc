#include "worker/trainer/scoring/embedded_json.h"
#include "worker/trainer/scoring/forms.h"
#include "worker/trainer/scoring/surroundings.h"

namespace lathe::trainer::scoring {
namespace {

using Json = nlohmann::json;

/// Arguments as they are, or as a text of JSON; nullopt when it is neither.
std::optional<Json> Arguments(const Json& value) {
  if (value.is_object()) return value;
  if (!value.is_string()) return std::nullopt;
  Json parsed = Json::parse(value.get_ref<const std::string&>(), nullptr, false);
  return parsed.is_object() ? std::optional(std::move(parsed)) : std::nullopt;
}

/// Calls every object within a value, outer ones first, until it says that it has seen enough of
/// one.
template <class Visit>
void ForEachObject(const Json& value, const Visit& visit) {
  if (value.is_object() && visit(value)) return;
  if (!value.is_structured()) return;
  for (const Json& member : value) ForEachObject(member, visit);
}

std::optional<ObjectForm> FormWithin(const Json& value, const ToolCall& call) {
  std::optional<ObjectForm> form;
  ForEachObject(value, [&](const Json& object) {
    ObjectForm keys;
    for (const auto& [key, member] : object.items()) {
      if (member == Json(call.name)) keys.name_key = key;
      const auto arguments = Arguments(member);
      if (arguments && *arguments == call.arguments) keys.arguments_key = key;
    }
    if (!form && !keys.name_key.empty() && !keys.arguments_key.empty()) form = std::move(keys);
    return form.has_value();
  });
  return form;
}

void AddCalls(const Json& value, const ObjectForm& form, std::vector<ToolCall>& calls) {
  ForEachObject(value, [&](const Json& object) {
    const auto name = object.find(form.name_key);
    const auto given = object.find(form.arguments_key);
    if (name == object.end() || given == object.end() || !name->is_string()) return false;
    auto arguments = Arguments(*given);
    if (!arguments) return false;
    calls.push_back({name->get<std::string>(), *std::move(arguments)});
    return true;
  });
}

/// What stands between the JSON of the two calls; nullopt when there are not two.
std::optional<std::string_view> BetweenTwo(const Renderings& renderings) {
  if (!renderings.both) return std::nullopt;
  std::optional<std::size_t> first_end;
  for (const EmbeddedJson& json : FindJson(*renderings.both)) {
    if (!first_end && FormWithin(json.value, renderings.calls[0])) first_end = json.end;
    if (first_end && *first_end != json.end && FormWithin(json.value, renderings.calls[1])) {
      return std::string_view(*renderings.both).substr(*first_end, json.begin - *first_end);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<ObjectForm> LearnObject(const Renderings& renderings) {
  const std::string_view text = renderings.one;
  for (const EmbeddedJson& json : FindJson(text)) {
    auto form = FormWithin(json.value, renderings.calls[0]);
    if (!form) continue;
    Marks marks =
        MarksOf({text.substr(0, json.begin), text.substr(json.end)}, BetweenTwo(renderings));
    form->before = std::move(marks.before);
    form->after = std::move(marks.after);
    return form;
  }
  return std::nullopt;
}

std::vector<ToolCall> ReadCalls(const ObjectForm& form, std::string_view text) {
  std::vector<ToolCall> calls;
  for (const EmbeddedJson& json : FindJson(text)) {
    const bool marked = Trim(text.substr(0, json.begin)).ends_with(form.before) &&
                        Trim(text.substr(json.end)).starts_with(form.after);
    if (marked) AddCalls(json.value, form, calls);
  }
  return calls;
}

}  // namespace lathe::trainer::scoring
