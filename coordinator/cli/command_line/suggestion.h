#pragma once
// "Did you mean". Pure.

#include <string>
#include <string_view>
#include <vector>

namespace lathe::cli {

/// The candidate nearest to what was typed, counting insertions, deletions, replacements and swaps
/// of neighbours; empty when none is near (a third of the word's length, at least one).
std::string Nearest(std::string_view typed, const std::vector<std::string>& candidates);

}  // namespace lathe::cli
