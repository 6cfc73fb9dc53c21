#pragma once
// Where a list goes on, as text for a client: a position in an index, bound to the question that it
// answers, so that one of another list is refused. Pure.

#include <optional>
#include <string>
#include <string_view>

namespace lathe::resources {

/// `question` is everything that decides what is listed and in which order. A position holds any
/// bytes; the token is plain ASCII.
std::string MakePageToken(std::string_view position, std::string_view question);

/// The position; nullopt when the token is damaged or belongs to another question.
std::optional<std::string> ReadPageToken(std::string_view token, std::string_view question);

}  // namespace lathe::resources
