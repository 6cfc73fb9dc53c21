#pragma once
// Reads expressions, from the loosest operators to the tightest. Private to this room.

#include "worker/trainer/chat_template/ast.h"
#include "worker/trainer/chat_template/token_reader.h"

namespace lathe::trainer::chat_template {

Result<ExpressionPtr> ParseExpression(TokenReader& tokens);
/// Not `a if b`: where an `if` that follows belongs to the statement.
Result<ExpressionPtr> ParseUnconditional(TokenReader& tokens);
/// Several expressions with commas are a list (Jinja's tuple).
Result<ExpressionPtr> ParseTuple(TokenReader& tokens);

}  // namespace lathe::trainer::chat_template
