#include "common/base/check.h"
#include "common/schema/configuration.h"
#include "common/schema/parameters.h"
#include "common/schema/read_internal.h"
#include "common/schema/reflection_internal.h"
#include "common/schema/suggest_internal.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {
namespace {

tl::unexpected<Error> Invalid(Finding finding) {
  Error error{ErrorCode::kInvalidArgument, "cannot set `" + finding.path + "`", {}};
  error.findings.push_back(std::move(finding));
  return Failure(std::move(error));
}

/// `a.b\.c` is `a` and `b.c`.
std::vector<std::string> Segments(std::string_view path) {
  std::vector<std::string> segments(1);
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\' && i + 1 < path.size()) {
      segments.back() += path[++i];
    } else if (path[i] == '.') {
      segments.emplace_back();
    } else {
      segments.back() += path[i];
    }
  }
  return segments;
}

struct Target {
  const Parameter* parameter = nullptr;  ///< null: a section
  bool inside = false;                   ///< an entry of a map or free-form object
};

bool IsSectionPath(const std::string& path) {
  for (const Parameter& parameter : ParameterPaths()) {
    if (parameter.path.rfind(path + ".", 0) == 0) {
      return true;
    }
  }
  return false;
}

std::optional<Target> FindTarget(const std::vector<std::string>& segments) {
  std::string path;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    path = Join(path, segments[i]);
    if (const Parameter* parameter = FindParameter(path)) {
      const bool inside = i + 1 < segments.size();
      const bool holds_names =
          parameter->map || (parameter->type == ParameterType::kObject && !parameter->repeated);
      if (inside && !holds_names) {
        return std::nullopt;
      }
      return Target{parameter, inside};
    }
  }
  return IsSectionPath(path) ? std::optional<Target>(Target{}) : std::nullopt;
}

Finding UnknownPath(const std::string& path) {
  std::vector<std::string> known;
  for (const Parameter& parameter : ParameterPaths()) {
    if (parameter.path.find('[') == std::string::npos) {
      known.push_back(parameter.path);
    }
  }
  return MakeError(path, "unknown_key", "no parameter of this name" + KeyHint(path, known));
}

Tree TokensFromText(std::string_view text) {
  Tree list = Tree::array();
  while (!text.empty()) {
    const std::string_view token = text.substr(0, text.find(','));
    list.push_back(std::string(token));
    text.remove_prefix(std::min(text.size(), token.size() + 1));
  }
  return list;
}

/// The text as the target's type wants it: JSON where it is JSON, else the bare text.
Tree ValueFromText(const Target& target, const std::string& text) {
  const Parameter* parameter = target.parameter;
  const bool is_text =
      parameter != nullptr && !parameter->map &&
      (parameter->type == ParameterType::kString || parameter->type == ParameterType::kEnumeration);
  if (is_text && parameter->repeated && (text.empty() || text[0] != '[') && text != "null") {
    return TokensFromText(text);
  }
  const bool bare = is_text && !parameter->repeated && (text.empty() || text[0] != '"');
  if (!bare || text == "null") {
    const ParsedTree parsed = ParseJsonTree(text);
    if (parsed.tree && parsed.findings.empty()) {
      return *parsed.tree;
    }
  }
  return text;
}

void Place(Tree& tree, const std::vector<std::string>& segments, Tree value) {
  Tree* place = &tree;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    if (!place->contains(segments[i]) || !(*place)[segments[i]].is_object()) {
      if (value.is_null()) {
        return;
      }
      (*place)[segments[i]] = Tree::object();
    }
    place = &(*place)[segments[i]];
  }
  if (value.is_null()) {
    place->erase(segments.back());
  } else {
    (*place)[segments.back()] = std::move(value);
  }
}

}  // namespace

Status Set(v1::JobConfiguration& configuration, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    Finding finding = MakeError(std::string(assignment), "bad_assignment", "not an assignment");
    finding.expected = "path=value, for example schedule.epochs=2";
    return Invalid(std::move(finding));
  }
  const std::string path(assignment.substr(0, equals));
  const std::string text(assignment.substr(equals + 1));
  if (!IsUtf8(path) || !IsUtf8(text)) {
    return Invalid(MakeError("", "bad_encoding", "not valid UTF-8"));
  }
  const std::vector<std::string> segments = Segments(path);
  const std::optional<Target> target = FindTarget(segments);
  if (!target) {
    return Invalid(UnknownPath(path));
  }
  ParsedTree whole = ParseJsonTree(ToJson(configuration));
  LATHE_CHECK(whole.tree.has_value(), "a configuration is written as JSON");
  Place(*whole.tree, segments, ValueFromText(*target, text));
  v1::JobConfiguration changed;
  std::vector<Finding> findings;
  ReadTree(*whole.tree, changed, findings);
  if (!findings.empty()) {
    return Failure(Error{ErrorCode::kInvalidArgument, "cannot set `" + path + "`", findings});
  }
  configuration = std::move(changed);
  return {};
}

}  // namespace lathe::schema
