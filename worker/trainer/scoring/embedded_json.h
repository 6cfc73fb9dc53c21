#pragma once
// JSON within text. Pure.

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace lathe::trainer::scoring {

struct EmbeddedJson {
  std::size_t begin = 0;
  std::size_t end = 0;
  nlohmann::json value;
};

/// The objects and lists that stand in a text, in their order; of those within others only the
/// outermost.
std::vector<EmbeddedJson> FindJson(std::string_view text);

}  // namespace lathe::trainer::scoring
