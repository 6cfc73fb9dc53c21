#pragma once
// Text to a tree of JSON values, from JSON and from YAML, within the limits of configuration.h.
// What is in the tree is looked at by read.cc. Pure, thread-safe, no exceptions leave.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace lathe::schema {

/// Keeps the order of keys, so that findings come in the order of the text.
using Tree = nlohmann::ordered_json;

struct ParsedTree {
  std::optional<Tree> tree;  ///< nothing when the text cannot be read at all
  std::vector<Finding> findings;
};

ParsedTree ParseJsonTree(std::string_view text);
ParsedTree ParseYamlTree(std::string_view text);

/// The finding for text longer than the limit, or nothing.
std::optional<Finding> CheckSize(std::string_view text);

/// How many bytes from the start on are whole, valid UTF-8.
std::size_t Utf8Prefix(std::string_view text);

inline bool IsUtf8(std::string_view text) {
  return Utf8Prefix(text) == text.size();
}

/// `path.key`, or `key` at the top.
std::string Join(const std::string& path, std::string_view key);

Finding MakeError(std::string path, std::string code, std::string message);

}  // namespace lathe::schema
