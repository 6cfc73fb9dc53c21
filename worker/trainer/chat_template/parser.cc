#include "worker/trainer/chat_template/parser.h"

#include <algorithm>
#include <initializer_list>

#include "worker/trainer/chat_template/expression_parser.h"

namespace lathe::trainer::chat_template {
namespace {

class StatementParser {
 public:
  explicit StatementParser(TokenReader tokens) : tokens_(std::move(tokens)) {}

  /// Statements up to a tag that begins with one of `ends` (which stays), or the template's end.
  Result<Block> ParseBlock(std::initializer_list<std::string_view> ends) {
    const TokenReader::Nesting nesting(tokens_);
    if (nesting.too_deep()) return tokens_.Bad("blocks are nested too deeply");
    Block block;
    while (tokens_.Peek().kind != Token::Kind::kEnd) {
      if (tokens_.Peek().kind == Token::Kind::kBlockBegin) {
        const Token& tag = tokens_.Next();
        if (std::find(ends.begin(), ends.end(), tag.text) != ends.end()) return block;
      }
      LATHE_ASSIGN_OR_RETURN(Statement statement, ParseStatement());
      block.push_back(std::move(statement));
    }
    if (ends.size() == 0) return block;
    return tokens_.Bad("a block is not closed: expected " + std::string(*(ends.end() - 1)));
  }

 private:
  Status EndBlock(std::string_view name) {
    tokens_.Take();  // {%
    if (!tokens_.TakeName(name)) return tokens_.Expected(std::string(name));
    return tokens_.ExpectBlockEnd();
  }
  Result<Statement> ParseStatement() {
    Statement statement;
    statement.line = tokens_.Peek().line;
    const Token token = tokens_.Take();
    if (token.kind == Token::Kind::kText) {
      statement.text = token.text;
      return statement;
    }
    if (token.kind == Token::Kind::kOutputBegin) {
      statement.kind = Statement::Kind::kOutput;
      LATHE_ASSIGN_OR_RETURN(statement.expression, ParseTuple(tokens_));
      if (tokens_.Peek().kind != Token::Kind::kOutputEnd) return tokens_.Expected("'}}'");
      tokens_.Take();
      return statement;
    }
    LATHE_ASSIGN_OR_RETURN(const std::string name, tokens_.TakeIdentifier());
    if (name == "if") return ParseIf(std::move(statement));
    if (name == "for") return ParseFor(std::move(statement));
    if (name == "set") return ParseSet(std::move(statement));
    if (name == "macro") return ParseMacro(std::move(statement));
    if (name == "generation") {
      statement.kind = Statement::Kind::kGeneration;
      LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
      LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"endgeneration"}));
      LATHE_RETURN_IF_ERROR(EndBlock("endgeneration"));
      return statement;
    }
    if (name == "break" || name == "continue") {
      if (loops_ == 0) return tokens_.Bad(name + " outside of a loop");
      statement.kind = name == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue;
      LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
      return statement;
    }
    return tokens_.Bad("the tag '" + name + "' is not supported");
  }
  Result<Statement> ParseIf(Statement statement) {
    statement.kind = Statement::Kind::kIf;
    while (true) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr condition, ParseExpression(tokens_));
      LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
      LATHE_ASSIGN_OR_RETURN(Block block, ParseBlock({"elif", "else", "endif"}));
      statement.branches.emplace_back(std::move(condition), std::move(block));
      tokens_.Take();
      if (tokens_.TakeName("elif")) continue;
      if (tokens_.TakeName("else")) {
        LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
        LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"endif"}));
        LATHE_RETURN_IF_ERROR(EndBlock("endif"));
        return statement;
      }
      tokens_.Take();  // endif
      LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
      return statement;
    }
  }
  Result<std::vector<std::string>> ParseTargets() {
    const bool bracketed = tokens_.TakeOperator("(");
    std::vector<std::string> names;
    do {
      LATHE_ASSIGN_OR_RETURN(std::string name, tokens_.TakeIdentifier());
      names.push_back(std::move(name));
    } while (tokens_.TakeOperator(","));
    if (bracketed) LATHE_RETURN_IF_ERROR(tokens_.Expect(")"));
    return names;
  }
  Result<Statement> ParseFor(Statement statement) {
    statement.kind = Statement::Kind::kFor;
    LATHE_ASSIGN_OR_RETURN(statement.names, ParseTargets());
    if (!tokens_.TakeName("in")) return tokens_.Expected("'in'");
    LATHE_ASSIGN_OR_RETURN(statement.expression, ParseUnconditional(tokens_));
    if (tokens_.TakeName("if")) {
      LATHE_ASSIGN_OR_RETURN(statement.filter, ParseExpression(tokens_));
    }
    if (tokens_.IsName("recursive")) return tokens_.Bad("recursive loops are not supported");
    LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
    ++loops_;
    LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"else", "endfor"}));
    --loops_;
    if (tokens_.Next().text == "else") {
      LATHE_RETURN_IF_ERROR(EndBlock("else"));
      LATHE_ASSIGN_OR_RETURN(statement.otherwise, ParseBlock({"endfor"}));
    }
    LATHE_RETURN_IF_ERROR(EndBlock("endfor"));
    return statement;
  }
  Result<Statement> ParseSet(Statement statement) {
    statement.kind = Statement::Kind::kSet;
    LATHE_ASSIGN_OR_RETURN(statement.names, ParseTargets());
    if (tokens_.TakeOperator(".")) {
      LATHE_ASSIGN_OR_RETURN(statement.text, tokens_.TakeIdentifier());
    }
    if (tokens_.TakeOperator("=")) {
      LATHE_ASSIGN_OR_RETURN(statement.expression, ParseTuple(tokens_));
      LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
      return statement;
    }
    if (statement.names.size() > 1 || !statement.text.empty()) return tokens_.Expected("'='");
    statement.kind = Statement::Kind::kSetBlock;
    LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
    LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"endset"}));
    LATHE_RETURN_IF_ERROR(EndBlock("endset"));
    return statement;
  }
  Result<Statement> ParseMacro(Statement statement) {
    statement.kind = Statement::Kind::kMacro;
    LATHE_ASSIGN_OR_RETURN(statement.text, tokens_.TakeIdentifier());
    LATHE_RETURN_IF_ERROR(tokens_.Expect("("));
    while (!tokens_.TakeOperator(")")) {
      LATHE_ASSIGN_OR_RETURN(std::string name, tokens_.TakeIdentifier());
      statement.names.push_back(std::move(name));
      statement.defaults.emplace_back();
      if (tokens_.TakeOperator("=")) {
        LATHE_ASSIGN_OR_RETURN(statement.defaults.back(), ParseExpression(tokens_));
      }
      if (!tokens_.TakeOperator(",") && !tokens_.IsOperator(")")) {
        return tokens_.Expected("',' or ')'");
      }
    }
    LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
    const int outer_loops = std::exchange(loops_, 0);
    LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"endmacro"}));
    loops_ = outer_loops;
    tokens_.Take();
    tokens_.Take();
    if (tokens_.Peek().kind == Token::Kind::kName) tokens_.Take();  // endmacro may repeat the name.
    LATHE_RETURN_IF_ERROR(tokens_.ExpectBlockEnd());
    return statement;
  }

  TokenReader tokens_;
  int loops_ = 0;
};

}  // namespace

Result<Block> ParseTemplate(std::string_view source) {
  LATHE_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return StatementParser(TokenReader(std::move(tokens))).ParseBlock({});
}

}  // namespace lathe::trainer::chat_template
