#pragma once
// Texts of users and services against regular expressions of our own. Not std::regex, which
// recurses once a character, so that a long text ends the process.

#include <string>

namespace lathe::providers {

/// Whether the POSIX extended expression, which must be one, matches all of the text.
bool MatchesAll(const std::string& expression, const std::string& text);

}  // namespace lathe::providers
