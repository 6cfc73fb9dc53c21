#include "coordinator/providers/settings.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace lathe::providers {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";
constexpr std::string_view kLettersAndDigits =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

bool ConsistsOf(std::string_view text, std::string_view characters, std::string_view more = "") {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return characters.find(c) != std::string_view::npos || more.find(c) != std::string_view::npos;
  });
}

/// scheme://host[:port][path]; IPv6 in brackets.
struct Url {
  std::string_view scheme;
  std::string_view host;
  std::string_view path;  ///< empty or from the first slash on
};

bool IsHost(std::string_view host) {
  if (host.starts_with('[')) {
    return host.size() > 2 && host.ends_with(']') &&
           ConsistsOf(host.substr(1, host.size() - 2), kHexDigits, ":.");
  }
  return !host.empty() && ConsistsOf(host, kLettersAndDigits, ".-");
}

bool IsPort(std::string_view port) {
  return !port.empty() && port.size() <= 5 && ConsistsOf(port, kDigits);
}

// By hand: an address may come from a service, and std::regex recurses once a character.
std::optional<Url> TakeApart(std::string_view text) {
  Url url;
  for (const std::string_view scheme : {"https", "http"}) {
    if (url.scheme.empty() && text.starts_with(scheme)) url.scheme = scheme;
  }
  if (url.scheme.empty()) return std::nullopt;
  text.remove_prefix(url.scheme.size());
  if (!text.starts_with("://")) return std::nullopt;
  text.remove_prefix(3);
  const std::size_t slash = std::min(text.find('/'), text.size());
  url.path = text.substr(slash);
  url.host = text.substr(0, slash);
  const std::size_t colon = url.host.find(':', url.host.starts_with('[') ? url.host.find(']') : 0);
  if (colon != std::string_view::npos) {
    if (!IsPort(url.host.substr(colon + 1))) return std::nullopt;
    url.host = url.host.substr(0, colon);
  }
  if (!IsHost(url.host)) return std::nullopt;
  return url;
}

/// 127.0.0.0/8, as four numbers.
bool IsLoopbackNumbers(std::string_view host) {
  if (!host.starts_with("127.") || !ConsistsOf(host, kDigits, ".")) return false;
  int parts = 1;
  std::size_t length = 0;
  for (const char c : host) {
    length = c == '.' ? 0 : length + 1;
    parts += c == '.' ? 1 : 0;
    if (length > 3) return false;
  }
  return parts == 4 && !host.ends_with('.') && host.find("..") == std::string_view::npos;
}

bool IsLoopbackHost(std::string_view host) {
  return host == "localhost" || host == "[::1]" || IsLoopbackNumbers(host);
}

}  // namespace

Access AccessOf(const Settings& settings, const Engine& engine) {
  const auto found = settings.find(engine.id);
  Access access = found == settings.end() ? Access{} : found->second;
  if (access.base_url.empty()) access.base_url = engine.base_url;
  return access;
}

Result<std::string> CheckBaseUrl(const std::string& url) {
  const auto parts = TakeApart(url);
  if (!parts || !ConsistsOf(parts->path, kLettersAndDigits, "._~/-")) {
    return Failure(ErrorCode::kInvalidArgument,
                   "an engine's address has the form https://host[:port][/path]");
  }
  if (parts->scheme == "http" && !IsLoopbackHost(parts->host)) {
    return Failure(ErrorCode::kInvalidArgument,
                   "an engine is reached by https; http is for this machine alone, since keys and "
                   "data would be readable on the way");
  }
  std::string checked = url;
  while (checked.ends_with('/')) checked.pop_back();
  return checked;
}

bool IsLoopback(const std::string& url) {
  const auto parts = TakeApart(url);
  return parts && IsLoopbackHost(parts->host);
}

}  // namespace lathe::providers
