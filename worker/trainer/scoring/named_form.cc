#include "worker/trainer/scoring/embedded_json.h"
#include "worker/trainer/scoring/forms.h"
#include "worker/trainer/scoring/surroundings.h"

namespace lathe::trainer::scoring {
namespace {

constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

/// A call found: its name begins where `name` says, its arguments end where `end` does.
struct Place {
  std::size_t name = 0;
  std::size_t name_end = 0;
  std::size_t json = 0;
  std::size_t end = 0;
};

std::optional<Place> Find(std::string_view text, const ToolCall& call) {
  const std::size_t name = text.find(call.name);
  if (name == std::string_view::npos) return std::nullopt;
  const std::size_t name_end = name + call.name.size();
  for (const EmbeddedJson& json : FindJson(text)) {
    if (json.begin < name_end || json.value != call.arguments) continue;
    return Place{name, name_end, json.begin, json.end};
  }
  return std::nullopt;
}

}  // namespace

std::optional<NamedForm> LearnNamed(const Renderings& renderings) {
  const std::string_view text = renderings.one;
  const auto place = Find(text, renderings.calls[0]);
  if (!place) return std::nullopt;
  std::optional<std::string_view> between_two;
  if (renderings.both) {
    const std::string_view both = *renderings.both;
    const auto first = Find(both, renderings.calls[0]);
    const auto second = Find(both, renderings.calls[1]);
    if (!first || !second || second->name < first->end) return std::nullopt;
    between_two = both.substr(first->end, second->name - first->end);
  }
  Marks marks = MarksOf({text.substr(0, place->name), text.substr(place->end)}, between_two);
  const auto between = Trim(text.substr(place->name_end, place->json - place->name_end));
  return NamedForm{std::move(marks.before), std::string(between), std::move(marks.after)};
}

std::vector<ToolCall> ReadCalls(const NamedForm& form, std::string_view text) {
  std::vector<ToolCall> calls;
  for (EmbeddedJson& json : FindJson(text)) {
    std::string_view front = Trim(text.substr(0, json.begin));
    if (!json.value.is_object() || !front.ends_with(form.between)) continue;
    front.remove_suffix(form.between.size());
    front = Trim(front);
    const std::size_t name = front.find_last_not_of(kNameCharacters) + 1;  // npos + 1 is 0
    if (name == front.size() || !Trim(front.substr(0, name)).ends_with(form.before)) continue;
    if (!Trim(text.substr(json.end)).starts_with(form.after)) continue;
    calls.push_back({std::string(front.substr(name)), std::move(json.value)});
  }
  return calls;
}

}  // namespace lathe::trainer::scoring
