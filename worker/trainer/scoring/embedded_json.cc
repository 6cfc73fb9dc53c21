#include "worker/trainer/scoring/embedded_json.h"

namespace lathe::trainer::scoring {
namespace {

/// The end of what a bracket opens; npos when nothing closes it. Only what ends here can be JSON.
std::size_t ClosedAt(std::string_view text, std::size_t begin) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
      continue;
    }
    quoted = c == '"';
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return i + 1;
  }
  return std::string_view::npos;
}

}  // namespace

std::vector<EmbeddedJson> FindJson(std::string_view text) {
  std::vector<EmbeddedJson> found;
  for (std::size_t at = text.find_first_of("{["); at != std::string_view::npos;
       at = text.find_first_of("{[", at)) {
    const std::size_t end = ClosedAt(text, at);
    nlohmann::json value =
        end == std::string_view::npos
            ? nlohmann::json(nlohmann::json::value_t::discarded)
            : nlohmann::json::parse(text.substr(at, end - at), nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) {
      ++at;
      continue;
    }
    found.push_back({at, end, std::move(value)});
    at = end;
  }
  return found;
}

}  // namespace lathe::trainer::scoring
