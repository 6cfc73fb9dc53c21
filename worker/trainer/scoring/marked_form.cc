#include "worker/trainer/scoring/forms.h"
#include "worker/trainer/scoring/surroundings.h"

namespace lathe::trainer::scoring {
namespace {

using Json = nlohmann::json;

/// A call in a text of words that occur once each: name, key, value, key, value.
struct Place {
  std::vector<std::string_view> gaps;  ///< between them, four
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::optional<Place> Find(std::string_view text, const ToolCall& call) {
  std::vector<std::string> words = {call.name};
  for (const auto& [key, value] : call.arguments.items()) {
    words.push_back(key);
    words.push_back(value.get<std::string>());
  }
  Place place;
  for (const std::string& word : words) {
    const std::size_t found = text.find(word, place.end);
    if (found == std::string_view::npos) return std::nullopt;
    if (place.end == 0) {
      place.begin = found;
    } else {
      place.gaps.push_back(Trim(text.substr(place.end, found - place.end)));
    }
    place.end = found + word.size();
  }
  return place;
}

/// Takes text up to a mark away from its front, with the mark; nullopt when there is none.
std::optional<std::string_view> TakeTo(std::string_view& text, std::string_view mark) {
  const std::size_t found = text.find(mark);
  if (found == std::string_view::npos) return std::nullopt;
  const std::string_view taken = Trim(text.substr(0, found));
  text.remove_prefix(found + mark.size());
  return taken;
}

Json ValueOf(std::string_view text) {
  Json value = Json::parse(text, nullptr, false);
  return value.is_discarded() ? Json(std::string(text)) : value;
}

/// The arguments from the first key on; false when they do not end as they should.
bool ReadArguments(const MarkedForm& form, std::string_view& text, Json& arguments) {
  while (true) {
    const auto key = TakeTo(text, form.value);
    if (!key || key->empty()) return false;
    const bool last = text.find(form.after) < text.find(form.next_key);
    const auto value = TakeTo(text, last ? form.after : form.next_key);
    if (!value) return false;
    arguments[std::string(*key)] = ValueOf(*value);
    if (last) return true;
  }
}

}  // namespace

std::optional<MarkedForm> LearnMarked(const Renderings& renderings) {
  const std::string_view text = renderings.one;
  const auto place = Find(text, renderings.calls[0]);
  if (!place || place->gaps[1] != place->gaps[3]) return std::nullopt;
  std::optional<std::string_view> between_two;
  if (renderings.both) {
    const auto first = Find(*renderings.both, renderings.calls[0]);
    const auto second = Find(*renderings.both, renderings.calls[1]);
    if (!first || !second || second->begin < first->end) return std::nullopt;
    between_two = std::string_view(*renderings.both).substr(first->end, second->begin - first->end);
  }
  Marks marks = MarksOf({text.substr(0, place->begin), text.substr(place->end)}, between_two);
  MarkedForm form{.before = std::move(marks.before),
                  .first_key = std::string(place->gaps[0]),
                  .value = std::string(place->gaps[1]),
                  .next_key = std::string(place->gaps[2]),
                  .after = std::move(marks.after),
                  .without_any = {}};
  for (const std::string& mark :
       {form.before, form.first_key, form.value, form.next_key, form.after}) {
    if (mark.empty()) return std::nullopt;  // Nothing to tell the parts by.
  }
  const std::string& name = renderings.calls[0].name;
  if (renderings.bare && renderings.bare->find(name) != std::string::npos) {
    const std::string_view rest =
        std::string_view(*renderings.bare).substr(renderings.bare->find(name) + name.size());
    form.without_any = MarksOf({"", rest}, between_two ? std::optional(rest) : std::nullopt).after;
  }
  return form;
}

std::vector<ToolCall> ReadCalls(const MarkedForm& form, std::string_view text) {
  std::vector<ToolCall> calls;
  while (TakeTo(text, form.before)) {
    std::string_view rest = text;
    const std::size_t key = rest.find(form.first_key);
    const std::size_t bare =
        form.without_any.empty() ? std::string_view::npos : rest.find(form.without_any);
    ToolCall call{{}, Json::object()};
    const bool has_arguments = key < bare;
    const auto name = TakeTo(rest, has_arguments ? form.first_key : form.without_any);
    if (!name || name->empty()) continue;
    call.name = *name;
    if (has_arguments && !ReadArguments(form, rest, call.arguments)) continue;
    if (!has_arguments && bare == std::string_view::npos) continue;
    calls.push_back(std::move(call));
    text = rest;
  }
  return calls;
}

}  // namespace lathe::trainer::scoring
