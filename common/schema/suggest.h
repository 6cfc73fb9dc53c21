#pragma once
// "Did you mean": the nearest of known names by edit distance. Pure and thread-safe.

#include <string>
#include <string_view>
#include <vector>

namespace lathe::schema {

/// Optimal string alignment distance: insertions, deletions, changes and swaps of neighbours, each
/// one (Damerau 1964). Upper and lower case are equal; `_` and `-` are not counted.
std::size_t EditDistance(std::string_view a, std::string_view b);

/// The nearest candidate, or empty when none is near (more than a third of the letters differ).
std::string Nearest(std::string_view name, const std::vector<std::string>& candidates);

/// "; did you mean `rank`?" or empty.
std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace lathe::schema
