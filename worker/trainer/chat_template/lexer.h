#pragma once
// Cuts a template into text, tags and the tokens inside tags, with Jinja's white-space control:
// trim_blocks and lstrip_blocks on, as chat templates are written for. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::chat_template {

struct Token {
  enum class Kind : std::uint8_t {
    kText,
    kBlockBegin,   // {%
    kBlockEnd,     // %}
    kOutputBegin,  // {{
    kOutputEnd,    // }}
    kName,
    kInteger,
    kFloat,
    kString,  // text is the content, escapes resolved
    kOperator,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;
  int line = 0;
};

/// kInvalidArgument names the line. The last token is kEnd.
Result<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace lathe::trainer::chat_template
