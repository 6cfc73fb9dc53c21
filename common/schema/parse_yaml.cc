#include <algorithm>
#include <map>
#include <optional>

#include "common/schema/configuration.h"
#include "common/schema/tree_internal.h"
#include "common/schema/yaml_scalar_internal.h"
#include "common/yaml/reader.h"

namespace lathe::schema {
namespace {

using yaml::Event;
using yaml::EventKind;

/// Aliases can make a small text a huge tree; no real configuration has so many values.
constexpr int kMaxNodes = 50000;

constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";
constexpr std::string_view kListTag = "tag:yaml.org,2002:seq";
constexpr std::string_view kMapTag = "tag:yaml.org,2002:map";

/// Maps have few keys; room for them at once saves copies of those before.
constexpr std::size_t kUsualKeys = 8;

/// Makes a tree of the reader's events.
class TreeBuilder {
 public:
  explicit TreeBuilder(std::vector<Finding>& findings) : findings_(findings) {}

  /// Of the whole document; null for an empty one.
  Tree TakeTree() { return std::move(root_); }

  /// False once there is a finding that makes the rest pointless.
  bool Take(const Event& event) {
    switch (event.kind) {
      case EventKind::kDocumentStart:
        return ++documents_ == 1 ||
               Refuse("", "syntax_error", "more than one YAML document; a configuration is one");
      case EventKind::kAlias:
        return TakeAlias(std::string(event.anchor));
      case EventKind::kScalar:
        return TakeScalar(event);
      case EventKind::kListStart:
        return Open(Tree::array(), event, kListTag);
      case EventKind::kMapStart:
        return Open(Tree::object(), event, kMapTag);
      case EventKind::kListEnd:
      case EventKind::kMapEnd:
        Close();
        return true;
      case EventKind::kTextEnd:
        return false;
    }
    return false;
  }

 private:
  /// A list or map that is being read.
  struct Frame {
    Tree value;
    std::string anchor;              ///< its name for aliases; empty: none
    std::optional<std::string> key;  ///< of a map, while its value is read
    bool drops_value = false;        ///< the key was none that can be kept
    bool twice = false;              ///< the map has the key already
  };

  struct Size {
    int nodes = 1;
    int depth = 1;
  };

  static Size SizeOf(const Tree& tree) {
    Size size;
    for (const Tree& item : tree.is_structured() ? tree : Tree::array()) {
      const Size inner = SizeOf(item);
      size.nodes += inner.nodes;
      size.depth = std::max(size.depth, inner.depth + 1);
    }
    return size;
  }

  bool ExpectsKey() const {
    return !frames_.empty() && frames_.back().value.is_object() && !frames_.back().key;
  }

  std::string Path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      path = frame.key                ? Join(path, *frame.key)
             : frame.value.is_array() ? path + "[" + std::to_string(frame.value.size()) + "]"
                                      : path;
    }
    return path;
  }

  bool Refuse(std::string path, std::string code, std::string message) {
    findings_.push_back(MakeError(std::move(path), std::move(code), std::move(message)));
    return false;
  }

  /// Nodes that come to the tree here, and levels that they have.
  bool Count(int nodes, int depth) {
    nodes_ += nodes;
    if (nodes_ <= kMaxNodes && static_cast<int>(frames_.size()) + depth <= kMaxDepth) {
      return true;
    }
    return Refuse(Path(), "too_deep",
                  "more than " + std::to_string(kMaxDepth) + " levels or " +
                      std::to_string(kMaxNodes) + " values");
  }

  bool TakeAlias(const std::string& anchor) {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      const bool inside =
          std::any_of(frames_.begin(), frames_.end(),
                      [&anchor](const Frame& frame) { return frame.anchor == anchor; });
      return Refuse(Path(), "syntax_error",
                    inside ? "an alias of what it is part of" : "an alias of nothing before it");
    }
    const Size size = SizeOf(found->second);
    if (!Count(size.nodes, size.depth)) {
      return false;
    }
    Complete(found->second, "");
    return true;
  }

  bool TakeScalar(const Event& event) {
    if (!Count(1, 1)) {
      return false;
    }
    std::string text(event.text);
    std::string anchor(event.anchor);
    const bool plain = event.plain && event.tag.empty();
    if (!ExpectsKey()) {
      CheckTag(event.tag, kStringTag);
      Complete(plain ? PlainScalar(text) : Tree(std::move(text)), std::move(anchor));
    } else if (plain && IsNullScalar(text)) {
      RefuseKey();
    } else {
      TakeKey(std::move(text), anchor);
    }
    return true;
  }

  void CheckTag(std::string_view tag, std::string_view own) {
    if (tag.empty() || tag == "!" || tag == own) {
      return;
    }
    Finding finding = MakeError(Path(), "unsupported_tag", "tags are not read here");
    finding.expected = "the value without a tag";
    findings_.push_back(std::move(finding));
  }

  void TakeKey(std::string text, const std::string& anchor) {
    Frame& map = frames_.back();
    if (!anchor.empty()) {
      anchors_[anchor] = text;
    }
    map.twice = map.value.contains(text);
    map.key = std::move(text);
    if (map.twice) {
      findings_.push_back(MakeError(Path(), "duplicate_key", "given more than once"));
    }
  }

  void RefuseKey() {
    findings_.push_back(MakeError(Path(), "bad_key", "a key must be plain text"));
    frames_.back().key = "";
    frames_.back().drops_value = true;
  }

  bool Open(Tree empty, const Event& event, std::string_view own_tag) {
    if (!Count(1, 1)) {
      return false;
    }
    CheckTag(event.tag, own_tag);
    if (empty.is_object()) {
      empty.get_ref<Tree::object_t&>().reserve(kUsualKeys);
    }
    if (!event.anchor.empty()) {
      anchors_.erase(std::string(event.anchor));  // from here on the name means this one
    }
    frames_.push_back({std::move(empty), std::string(event.anchor), std::nullopt, false, false});
    return true;
  }

  void Close() {
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    Complete(std::move(done.value), std::move(done.anchor));
  }

  void Complete(Tree value, const std::string& anchor) {
    if (!anchor.empty()) {
      anchors_[anchor] = value;
    }
    if (frames_.empty()) {
      root_ = std::move(value);
    } else if (ExpectsKey()) {
      RefuseKey();
    } else if (Frame& top = frames_.back(); top.value.is_array()) {
      top.value.push_back(std::move(value));
    } else {
      Place(top, std::move(value));
    }
  }

  static void Place(Frame& map, Tree value) {
    if (map.twice) {
      map.value[*map.key] = std::move(value);
    } else if (!map.drops_value) {
      map.value.get_ref<Tree::object_t&>().emplace_back(std::move(*map.key), std::move(value));
    }
    map.key.reset();
    map.drops_value = false;
    map.twice = false;
  }

  std::vector<Finding>& findings_;
  std::vector<Frame> frames_;
  std::map<std::string, Tree, std::less<>> anchors_;
  Tree root_;
  int nodes_ = 0;
  int documents_ = 0;
};

std::optional<Finding> CheckEncoding(std::string_view text) {
  const std::size_t valid = Utf8Prefix(text);
  if (valid == text.size()) {
    return std::nullopt;
  }
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(valid), '\n');
  return MakeError("line " + std::to_string(line), "bad_encoding", "not valid UTF-8");
}

}  // namespace

ParsedTree ParseYamlTree(std::string_view text) {
  ParsedTree parsed;
  for (const auto check : {CheckSize, CheckEncoding}) {
    if (auto finding = check(text)) {
      parsed.findings.push_back(std::move(*finding));
      return parsed;
    }
  }
  yaml::Reader reader(text);
  TreeBuilder builder(parsed.findings);
  while (true) {
    const auto event = reader.Next();
    if (!event) {
      const yaml::SyntaxError& error = event.error();
      parsed.findings.push_back(MakeError("line " + std::to_string(error.mark.line), "syntax_error",
                                          "not valid YAML at column " +
                                              std::to_string(error.mark.column) + ": " +
                                              std::string(error.reason)));
      return parsed;
    }
    if (event->kind == EventKind::kTextEnd) {
      break;
    }
    if (!builder.Take(*event)) {
      return parsed;
    }
  }
  Tree tree = builder.TakeTree();
  parsed.tree = tree.is_null() && parsed.findings.empty() ? Tree::object() : std::move(tree);
  return parsed;
}

}  // namespace lathe::schema
