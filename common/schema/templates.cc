#include "common/schema/templates.h"

#include <algorithm>
#include <vector>

#include "common/base/check.h"
#include "common/schema/embedded_internal.h"
#include "common/schema/read_internal.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {
namespace {

/// The files are ours and tested: what does not fit is a bug.
Template Parse(const EmbeddedText& file) {
  const ParsedTree parsed = ParseYamlTree(file.text);
  const std::string name(file.name);
  LATHE_CHECK(parsed.tree && parsed.findings.empty(), "the template " + name + " is not YAML");
  Template out{name, parsed.tree->value("title", ""), parsed.tree->value("description", ""), {}};
  std::vector<Finding> findings;
  ReadTree(parsed.tree->value("configuration", Tree()), out.configuration, findings);
  LATHE_CHECK(findings.empty() && !out.title.empty() && !out.description.empty(),
              "the template " + name + " does not fit the schema");
  return out;
}

}  // namespace

std::span<const Template> BuiltinTemplates() {
  static const std::vector<Template> templates = [] {
    std::vector<Template> all;
    for (const EmbeddedText& file : EmbeddedTemplates()) {
      all.push_back(Parse(file));
    }
    return all;
  }();
  return templates;
}

const Template* FindTemplate(std::string_view name) {
  const std::span<const Template> all = BuiltinTemplates();
  const auto found =
      std::find_if(all.begin(), all.end(), [name](const Template& t) { return t.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace lathe::schema
