#pragma once
// The tree of a parsed template. One node type for expressions, one for statements; which fields a
// kind uses is said beside it. Immutable after parsing.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "worker/trainer/chat_template/value.h"

namespace lathe::trainer::chat_template {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

struct Expression {
  enum class Kind : std::uint8_t {
    kLiteral,      // value
    kName,         // text
    kList,         // operands
    kDict,         // operands: key, value, key, value, ...
    kAttribute,    // operands[0] . text
    kSubscript,    // operands[0] [ operands[1] ]
    kSlice,        // operands[0] [ operands[1] : operands[2] : operands[3] ]; null when left out
    kCall,         // operands[0] ( operands[1...], named )
    kFilter,       // operands[0] | text ( operands[1...], named )
    kTest,         // operands[0] is text ( operands[1...] )
    kUnary,        // text ("-", "+", "not") operands[0]
    kBinary,       // operands[0] text operands[1]; also "and", "or", "in", comparisons, "~"
    kConditional,  // operands: condition, then, else (null when left out)
  };
  Kind kind = Kind::kLiteral;
  std::string text;
  Value value;
  std::vector<ExpressionPtr> operands;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  int depth = 1;  ///< of the tree below; bounded, so that walking it cannot exhaust the stack
  int line = 0;
};

using Block = std::vector<Statement>;

struct Statement {
  enum class Kind : std::uint8_t {
    kText,        // text
    kOutput,      // expression
    kIf,          // branches, body (else)
    kFor,         // names, expression, filter (may be null), body, otherwise
    kSet,         // names (one, or several to unpack), expression; text: the member of a namespace
    kSetBlock,    // names[0], body
    kMacro,       // text (name), names (parameters), defaults (null: required), body
    kGeneration,  // body
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kText;
  std::string text;
  std::vector<std::string> names;
  ExpressionPtr expression;
  ExpressionPtr filter;
  std::vector<ExpressionPtr> defaults;
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  Block body;
  Block otherwise;
  int line = 0;
};

}  // namespace lathe::trainer::chat_template
