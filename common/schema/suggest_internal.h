#pragma once
// How names are compared, and the hint for a key that is no parameter where it stands.

#include <string>
#include <string_view>
#include <vector>

namespace lathe::schema {

/// What of a name counts when names are compared: letters in lower case, `_` and `-` left out.
std::string Folded(std::string_view text);

/// "; did you mean `x`?" or empty. In this order: a near name among the keys that are legal here; a
/// parameter of exactly this name elsewhere (`learningRate` at the top is optimizer.learningRate);
/// a legal key, then any parameter, whose name is part of this one (`n_epochs`: schedule.epochs).
std::string KeyHint(const std::string& key, const std::vector<std::string>& legal);

}  // namespace lathe::schema
