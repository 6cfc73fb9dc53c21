#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "common/schema/configuration.h"
#include "common/schema/tree_internal.h"
#include "common/schema/yaml_scalar_internal.h"

namespace lathe::schema {
namespace {

/// Aliases can make a small text a huge tree; no real configuration has so many values.
constexpr int kMaxNodes = 50000;

constexpr char kStringTag[] = "tag:yaml.org,2002:str";

/// Thrown through the parser once there is a finding that makes the rest pointless.
struct Stop {};

/// Makes a tree of the parser's events. (YAML::Node would take thrice the time, and
/// YAML::LoadAll never comes to the end of some broken texts.)
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::vector<Finding>& findings) : findings_(findings) {}

  /// Of the whole document; null for an empty one.
  Tree TakeTree() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {
    if (++documents_ > 1) {
      findings_.push_back(
          MakeError("", "syntax_error", "more than one YAML document; a configuration is one"));
      throw Stop{};
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark&, YAML::anchor_t anchor) override {
    Count(1, 1);
    Complete(nullptr, anchor);
  }

  void OnAlias(const YAML::Mark&, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {  // inside of what it names
      findings_.push_back(MakeError(Path(), "syntax_error", "an alias of what it is part of"));
      throw Stop{};
    }
    const Size size = SizeOf(found->second);
    Count(size.nodes, size.depth);
    Complete(found->second, 0);
  }

  void OnScalar(const YAML::Mark&, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Count(1, 1);
    if (ExpectsKey()) {
      TakeKey(text);
      return;
    }
    Complete(Scalar(tag, text), anchor);
  }

  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Tree::array(), anchor);
  }
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Tree::object(), anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  /// A list or map that is being read.
  struct Frame {
    Tree value;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key;  ///< of a map, while its value is read
    bool drops_value = false;        ///< the key was none that can be kept
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

  /// Nodes that come to the tree here, and levels that they have.
  void Count(int nodes, int depth) {
    nodes_ += nodes;
    if (nodes_ > kMaxNodes || static_cast<int>(frames_.size()) + depth > kMaxDepth) {
      findings_.push_back(MakeError(Path(), "too_deep",
                                    "more than " + std::to_string(kMaxDepth) + " levels or " +
                                        std::to_string(kMaxNodes) + " values"));
      throw Stop{};
    }
  }

  Tree Scalar(const std::string& tag, const std::string& text) {
    if (!IsUtf8(text)) {
      findings_.push_back(MakeError(Path(), "bad_encoding", "not valid UTF-8"));
      return nullptr;
    }
    if (tag == "?" || tag.empty()) {
      return PlainScalar(text);
    }
    if (tag != "!" && tag != kStringTag) {
      Finding finding = MakeError(Path(), "unsupported_tag", "tags are not read here");
      finding.expected = "the value without a tag";
      findings_.push_back(std::move(finding));
    }
    return text;
  }

  void TakeKey(const std::string& text) {
    Frame& map = frames_.back();
    if (!IsUtf8(text)) {
      return RefuseKey();
    }
    map.key = text;
    if (map.value.contains(text)) {
      findings_.push_back(MakeError(Path(), "duplicate_key", "given more than once"));
    }
  }

  void RefuseKey() {
    findings_.push_back(MakeError(Path(), "bad_key", "a key must be plain text"));
    frames_.back().key = "";
    frames_.back().drops_value = true;
  }

  void Open(Tree empty, YAML::anchor_t anchor) {
    Count(1, 1);
    frames_.push_back({std::move(empty), anchor, std::nullopt, false});
  }

  void Close() {
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    Complete(std::move(done.value), done.anchor);
  }

  void Complete(Tree value, YAML::anchor_t anchor) {
    if (anchor != 0) {
      anchors_[anchor] = value;
    }
    if (frames_.empty()) {
      root_ = std::move(value);
    } else if (ExpectsKey()) {
      RefuseKey();
    } else if (Frame& top = frames_.back(); top.value.is_array()) {
      top.value.push_back(std::move(value));
    } else {
      if (!top.drops_value) {
        top.value[*top.key] = std::move(value);
      }
      top.key.reset();
      top.drops_value = false;
    }
  }

  std::vector<Finding>& findings_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Tree> anchors_;
  Tree root_;
  int nodes_ = 0;
  int documents_ = 0;
};

/// YAML allows no control characters but tab and line ends (1.2.2, 5.1); on some of them its reader
/// never comes to an end.
std::optional<Finding> CheckCharacters(std::string_view text) {
  const auto bad = std::find_if(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7F;
  });
  if (bad == text.end()) {
    return std::nullopt;
  }
  Finding finding = MakeError("line " + std::to_string(1 + std::count(text.begin(), bad, '\n')),
                              "syntax_error", "a control character cannot stand in YAML");
  finding.expected = "plain text in UTF-8";
  return finding;
}

}  // namespace

ParsedTree ParseYamlTree(std::string_view text) {
  ParsedTree parsed;
  for (const auto check : {CheckSize, CheckCharacters}) {
    if (auto finding = check(text)) {
      parsed.findings.push_back(std::move(*finding));
      return parsed;
    }
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(parsed.findings);
    while (parser.HandleNextDocument(builder)) {
      // a second one is refused by the builder
    }
    Tree tree = builder.TakeTree();
    parsed.tree = tree.is_null() && parsed.findings.empty() ? Tree::object() : std::move(tree);
  } catch (const Stop&) {
    // The finding is there.
  } catch (const YAML::Exception& error) {
    // Says where, not what: the text around an error may be a secret.
    parsed.findings.push_back(
        MakeError("line " + std::to_string(error.mark.line + 1), "syntax_error",
                  "not valid YAML at column " + std::to_string(error.mark.column + 1)));
  }
  return parsed;
}

}  // namespace lathe::schema
