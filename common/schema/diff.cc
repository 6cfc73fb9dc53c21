#include "common/schema/diff.h"

#include <algorithm>
#include <unordered_map>

#include "common/base/check.h"
#include "common/schema/configuration.h"
#include "common/schema/parameters.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {
namespace {

/// A secret as it stands in an answer.
const std::string kHiddenValue = "\"" + std::string(kRedacted) + "\"";

struct Leaf {
  std::string path;
  std::string value;  ///< JSON, for comparing
};

bool HoldsObjects(const Tree& list) {
  return std::any_of(list.begin(), list.end(), [](const Tree& item) { return item.is_object(); });
}

bool IsSet(const std::string& path) {
  const Parameter* parameter = FindParameter(path);
  return parameter != nullptr && parameter->repeated &&
         parameter->type == ParameterType::kEnumeration;
}

bool IsSecret(const std::string& path) {
  const Parameter* parameter = FindParameter(path);
  return parameter != nullptr && parameter->spec->secret();
}

/// A key as a segment of a path, as Set reads it: `a.b` is `a\.b`.
std::string Segment(const std::string& key) {
  std::string segment;
  for (const char c : key) {
    segment += c == '.' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return segment;
}

void Flatten(const Tree& tree, const std::string& path, std::vector<Leaf>& leaves) {
  if (tree.is_object() && !tree.empty()) {
    for (const auto& [key, value] : tree.items()) {
      Flatten(value, Join(path, Segment(key)), leaves);
    }
  } else if (tree.is_array() && HoldsObjects(tree)) {
    for (std::size_t i = 0; i < tree.size(); ++i) {
      Flatten(tree[i], path + "[" + std::to_string(i) + "]", leaves);
    }
  } else if (tree.is_array() && IsSet(path)) {
    Tree sorted = tree;
    std::sort(sorted.begin(), sorted.end());
    leaves.push_back({path, sorted.dump()});
  } else {
    leaves.push_back({path, tree.dump()});
  }
}

std::vector<Leaf> LeavesOf(const std::string& json) {
  const ParsedTree parsed = ParseJsonTree(json);
  LATHE_CHECK(parsed.tree.has_value(), "a configuration is written as JSON");
  std::vector<Leaf> leaves;
  if (!parsed.tree->empty()) {
    Flatten(*parsed.tree, "", leaves);
  }
  return leaves;
}

/// Where a path stands in the schema: the number of the parameter that it is, or lies in.
std::size_t OrderOf(const std::string& path) {
  for (std::size_t end = path.find_first_of(".[");; end = path.find_first_of(".[", end + 1)) {
    if (const Parameter* parameter = FindParameter(path.substr(0, end))) {
      return static_cast<std::size_t>(parameter - ParameterPaths().data());
    }
    if (end == std::string::npos) {
      return ParameterPaths().size();
    }
  }
}

struct Pair {
  Difference shown;
  std::size_t order = 0;
  std::string a;  ///< unredacted
  std::string b;
};

}  // namespace

std::vector<Difference> Compare(const v1::JobConfiguration& a, const v1::JobConfiguration& b,
                                bool only_differences) {
  std::vector<Pair> pairs;
  std::unordered_map<std::string, std::size_t> index;
  const auto add = [&](const v1::JobConfiguration& configuration, std::string Difference::*shown,
                       std::string Pair::*kept) {
    const std::string text = ToJson(configuration);
    const std::string public_text = ToJson(configuration, Secrets::kRedact);
    const std::vector<Leaf> plain = LeavesOf(text);
    const std::vector<Leaf> redacted = text == public_text ? plain : LeavesOf(public_text);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const auto [place, is_new] = index.emplace(plain[i].path, pairs.size());
      if (is_new) {
        pairs.push_back({{plain[i].path, {}, {}, false}, OrderOf(plain[i].path), {}, {}});
      }
      pairs[place->second].shown.*shown = redacted[i].value;
      pairs[place->second].*kept = plain[i].value;
    }
  };
  add(a, &Difference::a, &Pair::a);
  add(b, &Difference::b, &Pair::b);
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& left, const Pair& right) { return left.order < right.order; });
  std::vector<Difference> differences;
  for (Pair& pair : pairs) {
    pair.shown.equal = pair.a == pair.b;
    pair.shown.not_compared = !pair.a.empty() && !pair.b.empty() && IsSecret(pair.shown.path) &&
                              (pair.a == kHiddenValue || pair.b == kHiddenValue);
    if (!pair.shown.equal || pair.shown.not_compared || !only_differences) {
      differences.push_back(std::move(pair.shown));
    }
  }
  return differences;
}

}  // namespace lathe::schema
