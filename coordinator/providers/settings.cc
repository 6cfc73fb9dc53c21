#include "coordinator/providers/settings.h"

#include <regex>

namespace lathe::providers {
namespace {

// scheme://host[:port][/path]; IPv6 in brackets.
const std::regex& UrlForm() {
  static const std::regex form(
      R"((https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?)");
  return form;
}

bool IsLoopbackHost(const std::string& host) {
  static const std::regex four(R"(127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})");
  return host == "localhost" || host == "[::1]" || std::regex_match(host, four);
}

}  // namespace

Access AccessOf(const Settings& settings, const Engine& engine) {
  const auto found = settings.find(engine.id);
  Access access = found == settings.end() ? Access{} : found->second;
  if (access.base_url.empty()) access.base_url = engine.base_url;
  return access;
}

Result<std::string> CheckBaseUrl(const std::string& url) {
  std::smatch parts;
  if (!std::regex_match(url, parts, UrlForm())) {
    return Failure(ErrorCode::kInvalidArgument,
                   "an engine's address has the form https://host[:port][/path]");
  }
  if (parts[1] == "http" && !IsLoopbackHost(parts[2])) {
    return Failure(ErrorCode::kInvalidArgument,
                   "an engine is reached by https; http is for this machine alone, since keys and "
                   "data would be readable on the way");
  }
  std::string checked = url;
  while (checked.ends_with('/')) checked.pop_back();
  return checked;
}

bool IsLoopback(const std::string& url) {
  std::smatch parts;
  static const std::regex begin(
      R"(https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/.*)?)");
  return std::regex_match(url, parts, begin) && IsLoopbackHost(parts[1]);
}

}  // namespace lathe::providers
