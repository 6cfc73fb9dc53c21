#include "coordinator/providers/pattern.h"

#include <regex.h>

#include "common/base/check.h"

namespace lathe::providers {

bool MatchesAll(const std::string& expression, const std::string& text) {
  regex_t compiled{};
  const std::string whole = "^(" + expression + ")$";
  LATHE_CHECK(::regcomp(&compiled, whole.c_str(), REG_EXTENDED | REG_NOSUB) == 0, expression);
  // With its length, since a text may contain zeros.
  regmatch_t extent{.rm_so = 0, .rm_eo = static_cast<regoff_t>(text.size())};
  const bool matches = ::regexec(&compiled, text.c_str(), 1, &extent, REG_STARTEND) == 0;
  ::regfree(&compiled);
  return matches;
}

}  // namespace lathe::providers
