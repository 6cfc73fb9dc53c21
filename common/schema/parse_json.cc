#include <algorithm>
#include <set>

#include "common/schema/configuration.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {
namespace {

/// Follows the parser through the text: where it is, which keys it has seen, how deep it went.
class Watcher {
 public:
  explicit Watcher(std::vector<Finding>& findings) : findings_(findings) {}

  /// nlohmann's parser_callback_t; false leaves the value out of the tree. Values that are left out
  /// have no end event, so levels are counted by `depth`: the number of values open around this.
  bool OnEvent(int depth, Tree::parse_event_t event, const Tree& value) {
    const auto open = static_cast<std::size_t>(depth);
    switch (event) {
      case Tree::parse_event_t::object_start:
      case Tree::parse_event_t::array_start:
        levels_.resize(open);
        levels_.push_back({});
        return CheckDepth(open);
      case Tree::parse_event_t::key:
        levels_.resize(open);
        OnKey(value.get<std::string>());
        return true;
      default:
        return true;
    }
  }

 private:
  struct Level {
    std::string key;  ///< the one being read
    std::set<std::string> seen;
  };

  bool CheckDepth(std::size_t open) {
    const bool fits = open < static_cast<std::size_t>(kMaxDepth);
    if (!fits && !depth_reported_) {
      findings_.push_back(MakeError(Path(), "too_deep",
                                    "nested more than " + std::to_string(kMaxDepth) + " levels"));
      depth_reported_ = true;
    }
    return fits;
  }

  void OnKey(const std::string& key) {
    Level& level = levels_.back();
    level.key = key;
    if (!level.seen.insert(key).second) {
      findings_.push_back(MakeError(Path(), "duplicate_key", "given more than once"));
    }
  }

  std::string Path() const {
    std::string path;
    for (const Level& level : levels_) {
      if (!level.key.empty()) {
        path = Join(path, level.key);
      }
    }
    return path;
  }

  std::vector<Finding>& findings_;
  std::vector<Level> levels_;
  bool depth_reported_ = false;
};

/// Says where, not what: the text around an error may be a secret.
Finding SyntaxError(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t newline = before.rfind('\n');
  const std::size_t column =
      before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  return MakeError("line " + std::to_string(line), "syntax_error",
                   "not valid JSON at column " + std::to_string(column));
}

}  // namespace

std::optional<Finding> CheckSize(std::string_view text) {
  if (text.size() <= kMaxTextBytes) {
    return std::nullopt;
  }
  Finding finding = MakeError(
      "", "too_large", std::to_string(text.size()) + " bytes are too many for a configuration");
  finding.expected = "at most " + std::to_string(kMaxTextBytes) + " bytes";
  return finding;
}

std::size_t Utf8Prefix(std::string_view text) {
  // RFC 3629: how many bytes follow a first byte, and where the first of them may lie, so that
  // overlong forms, surrogates and what is beyond U+10FFFF are refused.
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80) {
      ++i;
      continue;
    }
    const std::size_t following = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    if (first < 0xC2 || first > 0xF4 || text.size() - i <= following) {
      return i;
    }
    const auto second = static_cast<unsigned char>(text[i + 1]);
    const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (second < low || second > high) {
      return i;
    }
    for (std::size_t k = 2; k <= following; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) {
        return i;
      }
    }
    i += following + 1;
  }
  return text.size();
}

std::string Join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

Finding MakeError(std::string path, std::string code, std::string message) {
  return {std::move(path), Severity::kError, std::move(code), std::move(message), {}, {}};
}

ParsedTree ParseJsonTree(std::string_view text) {
  ParsedTree parsed;
  if (auto finding = CheckSize(text)) {
    parsed.findings.push_back(std::move(*finding));
    return parsed;
  }
  Watcher watcher(parsed.findings);
  try {
    Tree tree = Tree::parse(text, [&watcher](int depth, Tree::parse_event_t event, Tree& value) {
      return watcher.OnEvent(depth, event, value);
    });
    if (!tree.is_discarded()) {
      parsed.tree = std::move(tree);
    }
  } catch (const nlohmann::json::parse_error& error) {
    parsed.findings.push_back(SyntaxError(text, error.byte));
  } catch (const nlohmann::json::exception&) {
    parsed.findings.push_back(MakeError("", "syntax_error", "a number is out of every range"));
  }
  return parsed;
}

}  // namespace lathe::schema
