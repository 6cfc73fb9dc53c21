#include "coordinator/core/commit.h"

#include <charconv>

namespace lathe::core {
namespace {

template <class Number>
bool ParseWhole(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string ToString(const EventId& id) {
  return std::to_string(id.attempt) + "-" + std::to_string(id.sequence);
}

std::optional<EventId> ParseEventId(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  EventId id;
  if (!ParseWhole(text.substr(0, dash), id.attempt)) return std::nullopt;
  if (!ParseWhole(text.substr(dash + 1), id.sequence)) return std::nullopt;
  return id;
}

}  // namespace lathe::core
