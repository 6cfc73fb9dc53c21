#pragma once
// "Did you mean": the known word nearest to a mistyped one. Pure.

#include <span>
#include <string>
#include <string_view>

namespace lathe::daemon_config {

/// The candidate with the smallest edit distance (insertions, deletions, substitutions) when that
/// is at most a third of the word's length, at least 1; else empty.
std::string ClosestMatch(std::string_view word, std::span<const std::string> candidates);

}  // namespace lathe::daemon_config
