#pragma once
// JSON that people give, read so that no nesting can exhaust the stack later on. Header-only.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace lathe {

/// A discarded value when the text is not JSON. kInvalidArgument when it is nested too deeply.
inline Result<nlohmann::ordered_json> ParseJson(std::string_view text) {
  using Json = nlohmann::ordered_json;
  constexpr int kMostLevels = 100;
  bool too_deep = false;
  const auto keep = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMostLevels;
    return !too_deep;
  };
  Json json = Json::parse(text.begin(), text.end(), keep, false);
  if (!too_deep) return json;
  return Failure(ErrorCode::kInvalidArgument,
                 "JSON is nested more than " + std::to_string(kMostLevels) + " levels deep");
}

/// For errors; bytes that are no UTF-8 are replaced.
inline std::string ToText(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace lathe
