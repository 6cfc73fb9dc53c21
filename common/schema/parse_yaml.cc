#include <yaml-cpp/yaml.h>

#include <charconv>
#include <regex>
#include <set>

#include "common/schema/configuration.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {
namespace {

/// Aliases can make a small text a huge tree; no real configuration has so many values.
constexpr int kMaxNodes = 50000;

constexpr char kStringTag[] = "tag:yaml.org,2002:str";

/// YAML 1.2 core schema, 10.3.2: what a plain scalar without a tag stands for.
Tree PlainScalar(const std::string& text) {
  static const std::regex decimal("[-+]?[0-9]+");
  static const std::regex based("0o[0-7]+|0x[0-9a-fA-F]+");
  static const std::regex real("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?");
  static const std::set<std::string> nulls = {"", "~", "null", "Null", "NULL"};
  if (nulls.count(text) > 0) {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  if (text.size() > 64) {
    return text;  // no number we could hold; also keeps the expressions from long inputs
  }
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  if (std::regex_match(text, decimal) && std::from_chars(begin, end, whole).ec == std::errc()) {
    return whole;
  }
  const int base = text.size() > 1 && text[1] == 'x' ? 16 : 8;
  if (std::regex_match(text, based) &&
      std::from_chars(begin + 2, end, whole, base).ec == std::errc()) {
    return whole;
  }
  double number = 0;
  if (std::regex_match(text, real) && std::from_chars(begin, end, number).ec == std::errc()) {
    return number;
  }
  return text;
}

class Converter {
 public:
  explicit Converter(std::vector<Finding>& findings) : findings_(findings) {}

  Tree Convert(const YAML::Node& node, const std::string& path, int depth) {
    if (++nodes_ > kMaxNodes || depth > kMaxDepth) {
      if (!limit_reported_) {
        findings_.push_back(MakeError(path, "too_deep",
                                      "more than " + std::to_string(kMaxDepth) + " levels or " +
                                          std::to_string(kMaxNodes) + " values"));
        limit_reported_ = true;
      }
      return nullptr;
    }
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return Scalar(node, path);
      case YAML::NodeType::Sequence:
        return Sequence(node, path, depth);
      case YAML::NodeType::Map:
        return Map(node, path, depth);
      default:
        return nullptr;
    }
  }

 private:
  Tree Scalar(const YAML::Node& node, const std::string& path) {
    const std::string& text = node.Scalar();
    if (!IsUtf8(text)) {
      findings_.push_back(MakeError(path, "bad_encoding", "not valid UTF-8"));
      return nullptr;
    }
    if (node.Tag() == "?" || node.Tag().empty()) {
      return PlainScalar(text);
    }
    if (node.Tag() != "!" && node.Tag() != kStringTag) {
      Finding finding = MakeError(path, "unsupported_tag", "tags are not read here");
      finding.expected = "the value without a tag";
      findings_.push_back(std::move(finding));
    }
    return text;
  }

  Tree Sequence(const YAML::Node& node, const std::string& path, int depth) {
    Tree list = Tree::array();
    for (std::size_t i = 0; i < node.size() && !limit_reported_; ++i) {
      list.push_back(Convert(node[i], path + "[" + std::to_string(i) + "]", depth + 1));
    }
    return list;
  }

  Tree Map(const YAML::Node& node, const std::string& path, int depth) {
    Tree object = Tree::object();
    for (const auto& entry : node) {
      if (limit_reported_) {
        break;
      }
      if (!entry.first.IsScalar() || !IsUtf8(entry.first.Scalar())) {
        findings_.push_back(MakeError(path, "bad_key", "a key must be plain text"));
        continue;
      }
      const std::string& key = entry.first.Scalar();
      if (object.contains(key)) {
        findings_.push_back(MakeError(Join(path, key), "duplicate_key", "given more than once"));
      }
      object[key] = Convert(entry.second, Join(path, key), depth + 1);
    }
    return object;
  }

  std::vector<Finding>& findings_;
  int nodes_ = 0;
  bool limit_reported_ = false;
};

}  // namespace

ParsedTree ParseYamlTree(std::string_view text) {
  ParsedTree parsed;
  if (auto finding = CheckSize(text)) {
    parsed.findings.push_back(std::move(*finding));
    return parsed;
  }
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) {
      parsed.findings.push_back(
          MakeError("", "syntax_error", "more than one YAML document; a configuration is one"));
      return parsed;
    }
    Tree tree =
        documents.empty() ? Tree() : Converter(parsed.findings).Convert(documents[0], "", 1);
    parsed.tree = tree.is_null() && parsed.findings.empty() ? Tree::object() : std::move(tree);
  } catch (const YAML::Exception& error) {
    // Says where, not what: the text around an error may be a secret.
    parsed.findings.push_back(
        MakeError("line " + std::to_string(error.mark.line + 1), "syntax_error",
                  "not valid YAML at column " + std::to_string(error.mark.column + 1)));
  }
  return parsed;
}

}  // namespace lathe::schema
