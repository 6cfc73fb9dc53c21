#include <map>

#include "common/base/check.h"
#include "common/schema/configuration.h"
#include "common/schema/embedded_internal.h"
#include "common/schema/read_internal.h"
#include "common/schema/reflection_internal.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {
namespace {

using Profiles = std::map<int, v1::JobConfiguration>;

/// The file is ours and tested: what does not fit is a bug.
Profiles ReadProfiles() {
  const ParsedTree parsed = ParseYamlTree(EmbeddedMethodProfiles()[0].text);
  LATHE_CHECK(parsed.tree && parsed.findings.empty(), "the method profiles are not YAML");
  Profiles profiles;
  std::vector<Finding> findings;
  for (const auto& [token, values] : parsed.tree->items()) {
    const auto method = NumberOfToken(*v1::MethodType_descriptor(), token);
    LATHE_CHECK(method.has_value(), "a method profile has no method");
    ReadTree(Tree{{"method", values}}, profiles[*method], findings);
  }
  LATHE_CHECK(findings.empty(), "the method profiles do not fit the schema");
  return profiles;
}

}  // namespace

const v1::JobConfiguration& MethodProfile(v1::MethodType method) {
  static const Profiles profiles = ReadProfiles();
  static const v1::JobConfiguration none;
  const auto found = profiles.find(method);
  return found == profiles.end() ? none : found->second;
}

}  // namespace lathe::schema
