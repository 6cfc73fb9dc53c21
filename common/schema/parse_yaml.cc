#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "common/schema/configuration.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {
namespace {

/// Aliases can make a small text a huge tree; no real configuration has so many values.
constexpr int kMaxNodes = 50000;

constexpr char kStringTag[] = "tag:yaml.org,2002:str";

/// Longer plain text is no number we could hold.
constexpr std::size_t kLongestNumber = 64;

/// Removes the decimal digits at the front and says how many there were.
std::size_t SkipDigits(std::string_view& text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    ++digits;
  }
  text.remove_prefix(digits);
  return digits;
}

bool Skip(std::string_view& text, std::string_view any_of) {
  const bool found = !text.empty() && any_of.find(text[0]) != std::string_view::npos;
  text.remove_prefix(found ? 1 : 0);
  return found;
}

/// [-+]?[0-9]+
bool IsDecimal(std::string_view text) {
  Skip(text, "-+");
  return SkipDigits(text) > 0 && text.empty();
}

/// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool IsReal(std::string_view text) {
  Skip(text, "-+");
  const std::size_t whole = SkipDigits(text);
  const std::size_t fraction = Skip(text, ".") ? SkipDigits(text) : 0;
  if (whole + fraction == 0) {
    return false;
  }
  if (Skip(text, "eE")) {
    Skip(text, "-+");
    return SkipDigits(text) > 0 && text.empty();
  }
  return text.empty();
}

/// The whole text as a number, or nothing when it is none or does not fit.
template <class Number, class... Base>
std::optional<Number> NumberFrom(std::string_view text, Base... base) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number, base...);
  return result.ec == std::errc() && result.ptr == end ? std::optional<Number>(number)
                                                       : std::nullopt;
}

Tree Number(const std::string& text) {
  const std::string_view unsigned_text = std::string_view(text).substr(text[0] == '+' ? 1 : 0);
  if (IsDecimal(text)) {
    if (const auto whole = NumberFrom<std::int64_t>(unsigned_text)) {
      return *whole;
    }
  }
  const std::string prefix = text.substr(0, 2);
  if ((prefix == "0x" || prefix == "0o") && text.size() > 2 && text[2] != '-') {
    if (const auto whole = NumberFrom<std::int64_t>(text.substr(2), prefix == "0x" ? 16 : 8)) {
      return *whole;
    }
  }
  if (IsReal(text)) {
    if (const auto real = NumberFrom<double>(unsigned_text)) {
      return *real;
    }
  }
  return text;
}

/// YAML 1.2 core schema, 10.3.2: what a plain scalar without a tag stands for.
Tree PlainScalar(const std::string& text) {
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
  return text.size() > kLongestNumber ? Tree(text) : Number(text);
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
  if (auto finding = CheckSize(text)) {
    parsed.findings.push_back(std::move(*finding));
    return parsed;
  }
  if (auto finding = CheckCharacters(text)) {
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
