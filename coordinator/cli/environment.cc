#include "coordinator/cli/environment.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace lathe::cli {
namespace {

// Set but empty counts as not set, as the XDG and NO_COLOR conventions ask.
std::optional<std::string> Variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

bool LocaleIsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::optional<std::string> value = Variable(name);
    if (!value) continue;
    return value->find("UTF-8") != std::string::npos || value->find("utf8") != std::string::npos;
  }
  // Containers rarely set a locale, while their terminals nearly always speak UTF-8.
  return true;
}

std::string UserName() {
  if (const auto given = Variable("LATHE_USER")) return *given;
  // A user of a container often has a number and no name.
  const std::string number = "uid-" + std::to_string(::geteuid());
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int failed = ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return failed != 0 || found == nullptr ? number : found->pw_name;
}

}  // namespace

Environment Environment::FromProcess() {
  std::error_code unreadable;
  return {.address = Variable("LATHE_ADDRESS"),
          .data_dir = Variable("LATHE_DATA_DIR"),
          .state_home = Variable("XDG_STATE_HOME"),
          .home = Variable("HOME"),
          .user = UserName(),
          .no_color = Variable("NO_COLOR").has_value(),
          .utf8 = LocaleIsUtf8(),
          .program = std::filesystem::read_symlink("/proc/self/exe", unreadable)};
}

std::filesystem::path DefaultDataDir(const Environment& environment) {
  if (environment.data_dir) return *environment.data_dir;
  if (environment.state_home) return std::filesystem::path(*environment.state_home) / "lathe";
  return std::filesystem::path(environment.home.value_or("/var/lib")) / ".local/state/lathe";
}

}  // namespace lathe::cli
