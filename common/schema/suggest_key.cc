#include "common/schema/parameters.h"
#include "common/schema/suggest.h"
#include "common/schema/suggest_internal.h"

namespace lathe::schema {
namespace {

/// Shorter names are part of many others by chance.
constexpr std::size_t kShortestPart = 4;

std::string LastName(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? path : path.substr(dot + 1);
}

bool IsPart(const std::string& name, const std::string& key) {
  return name.size() >= kShortestPart && Folded(key).find(Folded(name)) != std::string::npos;
}

std::string Hint(const std::string& name) {
  return "; did you mean `" + name + "`?";
}

}  // namespace

std::string KeyHint(const std::string& key, const std::vector<std::string>& legal) {
  if (const std::string near = Nearest(key, legal); !near.empty()) {
    return Hint(near);
  }
  for (const Parameter& parameter : ParameterPaths()) {
    if (EditDistance(LastName(parameter.path), key) == 0) {
      return Hint(parameter.path);
    }
  }
  for (const std::string& name : legal) {
    if (IsPart(LastName(name), key)) {
      return Hint(name);
    }
  }
  for (const Parameter& parameter : ParameterPaths()) {
    if (IsPart(LastName(parameter.path), key)) {
      return Hint(parameter.path);
    }
  }
  return "";
}

}  // namespace lathe::schema
