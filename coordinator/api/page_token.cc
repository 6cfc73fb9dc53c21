#include "coordinator/api/page_token.h"

#include <charconv>

namespace lathe::api {

std::string MakePageToken(const runtime::ListPosition& position) {
  return std::to_string(ToMicros(position.created)) + "." + position.id.value();
}

std::optional<runtime::ListPosition> ReadPageToken(std::string_view token) {
  const auto dot = token.find('.');
  if (dot == token.npos || dot + 1 == token.size()) return std::nullopt;
  std::int64_t micros = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + dot, micros);
  if (error != std::errc() || end != token.data() + dot) return std::nullopt;
  return runtime::ListPosition{FromMicros(micros),
                               domain::JobId(std::string(token.substr(dot + 1)))};
}

}  // namespace lathe::api
