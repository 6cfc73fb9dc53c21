#include "worker/trainer/chat_template/parser.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "worker/trainer/chat_template/lexer.h"

namespace lathe::trainer::chat_template {
namespace {

constexpr int kMaxDepth = 200;
using Kind = Expression::Kind;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Block> Run() {
    LATHE_ASSIGN_OR_RETURN(Block block, ParseBlock({}));
    return block;
  }

 private:
  class Nesting {
   public:
    explicit Nesting(int& depth) : depth_(++depth) {}
    ~Nesting() { --depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    int& depth_;
  };

  // --- tokens ---
  const Token& Peek() const { return tokens_[at_]; }
  Token Take() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool IsOperator(std::string_view text) const {
    return Peek().kind == Token::Kind::kOperator && Peek().text == text;
  }
  bool IsName(std::string_view text) const {
    return Peek().kind == Token::Kind::kName && Peek().text == text;
  }
  bool TakeOperator(std::string_view text) {
    if (!IsOperator(text)) return false;
    Take();
    return true;
  }
  bool TakeName(std::string_view text) {
    if (!IsName(text)) return false;
    Take();
    return true;
  }
  tl::unexpected<Error> Bad(const std::string& what) const {
    return Failure(ErrorCode::kInvalidArgument,
                   "line " + std::to_string(Peek().line) + ": " + what);
  }
  Status Expect(std::string_view text) {
    if (TakeOperator(text)) return {};
    return Bad("expected '" + std::string(text) + "'" + Found());
  }
  Status ExpectBlockEnd() {
    if (Peek().kind != Token::Kind::kBlockEnd) return Bad("expected '%}'" + Found());
    Take();
    return {};
  }
  std::string Found() const {
    return Peek().text.empty() ? ", found the end of the tag" : ", found '" + Peek().text + "'";
  }
  Result<std::string> TakeIdentifier() {
    if (Peek().kind != Token::Kind::kName) return Bad("expected a name" + Found());
    return Take().text;
  }

  // --- expressions, from loosest to tightest ---
  Result<ExpressionPtr> Make(Kind kind, std::string text, std::vector<ExpressionPtr> operands) {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->text = std::move(text);
    node->line = Peek().line;
    for (const ExpressionPtr& operand : operands) {
      if (operand) node->depth = std::max(node->depth, operand->depth + 1);
    }
    if (node->depth > kMaxDepth) return Bad("an expression is nested too deeply");
    node->operands = std::move(operands);
    return node;
  }
  static std::vector<ExpressionPtr> Operands(ExpressionPtr a, ExpressionPtr b = nullptr) {
    std::vector<ExpressionPtr> operands;
    operands.push_back(std::move(a));
    if (b) operands.push_back(std::move(b));
    return operands;
  }
  Result<ExpressionPtr> MakeLiteral(Value value) {
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr node, Make(Kind::kLiteral, "", {}));
    const_cast<Expression&>(*node).value = std::move(value);
    return node;
  }

  Result<ExpressionPtr> ParseExpression() {
    const Nesting nesting(depth_);
    if (depth_ > kMaxDepth) return Bad("an expression is nested too deeply");
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr node, ParseOr());
    while (TakeName("if")) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr condition, ParseOr());
      std::vector<ExpressionPtr> operands = Operands(std::move(condition), std::move(node));
      operands.emplace_back();
      if (TakeName("else")) {
        LATHE_ASSIGN_OR_RETURN(operands.back(), ParseExpression());
      }
      LATHE_ASSIGN_OR_RETURN(node, Make(Kind::kConditional, "", std::move(operands)));
    }
    return node;
  }

  /// Several expressions with commas are a list (Jinja's tuple).
  Result<ExpressionPtr> ParseTuple() {
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr first, ParseExpression());
    if (!IsOperator(",")) return first;
    std::vector<ExpressionPtr> elements = Operands(std::move(first));
    while (TakeOperator(",")) {
      if (Peek().kind == Token::Kind::kBlockEnd || Peek().kind == Token::Kind::kOutputEnd) break;
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr next, ParseExpression());
      elements.push_back(std::move(next));
    }
    return Make(Kind::kList, "", std::move(elements));
  }

  using Level = Result<ExpressionPtr> (Parser::*)();
  Result<ExpressionPtr> LeftAssociative(Level next, std::initializer_list<std::string_view> ops) {
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr left, (this->*next)());
    while (Peek().kind == Token::Kind::kOperator || Peek().kind == Token::Kind::kName) {
      const auto op = std::find(ops.begin(), ops.end(), Peek().text);
      if (op == ops.end()) break;
      Take();
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr right, (this->*next)());
      LATHE_ASSIGN_OR_RETURN(
          left, Make(Kind::kBinary, std::string(*op), Operands(std::move(left), std::move(right))));
    }
    return left;
  }
  Result<ExpressionPtr> ParseOr() { return LeftAssociative(&Parser::ParseAnd, {"or"}); }
  Result<ExpressionPtr> ParseAnd() { return LeftAssociative(&Parser::ParseNot, {"and"}); }
  Result<ExpressionPtr> ParseNot() {
    if (!TakeName("not")) return ParseCompare();
    const Nesting nesting(depth_);
    if (depth_ > kMaxDepth) return Bad("an expression is nested too deeply");
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseNot());
    return Make(Kind::kUnary, "not", Operands(std::move(operand)));
  }
  Result<ExpressionPtr> ParseCompare() {
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr left, ParseSum());
    bool compared = false;
    while (true) {
      std::string op;
      for (const std::string_view candidate : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (op.empty() && IsOperator(candidate)) op = candidate;
      }
      const bool not_in = IsName("not") && at_ + 1 < tokens_.size() &&
                          tokens_[at_ + 1].kind == Token::Kind::kName &&
                          tokens_[at_ + 1].text == "in";
      if (not_in) Take();
      if (IsName("in")) op = not_in ? "not in" : "in";
      if (op.empty()) return left;
      if (compared) return Bad("chained comparisons are not supported");
      Take();
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr right, ParseSum());
      LATHE_ASSIGN_OR_RETURN(left,
                             Make(Kind::kBinary, op, Operands(std::move(left), std::move(right))));
      compared = true;
    }
  }
  Result<ExpressionPtr> ParseSum() { return LeftAssociative(&Parser::ParseConcat, {"+", "-"}); }
  Result<ExpressionPtr> ParseConcat() { return LeftAssociative(&Parser::ParseProduct, {"~"}); }
  Result<ExpressionPtr> ParseProduct() {
    return LeftAssociative(&Parser::ParsePower, {"*", "/", "//", "%"});
  }
  Result<ExpressionPtr> ParsePower() { return LeftAssociative(&Parser::ParseFiltered, {"**"}); }

  Result<ExpressionPtr> ParseFiltered() {
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr node, ParseUnary());
    while (true) {
      if (TakeOperator("|")) {
        LATHE_ASSIGN_OR_RETURN(node, ParseFilter(std::move(node)));
      } else if (TakeName("is")) {
        LATHE_ASSIGN_OR_RETURN(node, ParseTest(std::move(node)));
      } else if (IsOperator("(")) {
        LATHE_ASSIGN_OR_RETURN(node, ParseCall(Kind::kCall, "", std::move(node)));
      } else {
        return node;
      }
    }
  }
  Result<ExpressionPtr> ParseUnary() {
    for (const char* sign : {"-", "+"}) {
      if (!TakeOperator(sign)) continue;
      const Nesting nesting(depth_);
      if (depth_ > kMaxDepth) return Bad("an expression is nested too deeply");
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseUnary());
      return Make(Kind::kUnary, sign, Operands(std::move(operand)));
    }
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr node, ParsePrimary());
    return ParsePostfix(std::move(node));
  }
  Result<ExpressionPtr> ParsePostfix(ExpressionPtr node) {
    while (true) {
      if (TakeOperator(".")) {
        if (Peek().kind != Token::Kind::kName && Peek().kind != Token::Kind::kInteger) {
          return Bad("expected a name after '.'" + Found());
        }
        const Token member = Take();
        if (member.kind == Token::Kind::kInteger) {
          LATHE_ASSIGN_OR_RETURN(ExpressionPtr index, ParseInteger(member));
          LATHE_ASSIGN_OR_RETURN(
              node, Make(Kind::kSubscript, "", Operands(std::move(node), std::move(index))));
        } else {
          LATHE_ASSIGN_OR_RETURN(node,
                                 Make(Kind::kAttribute, member.text, Operands(std::move(node))));
        }
      } else if (TakeOperator("[")) {
        LATHE_ASSIGN_OR_RETURN(node, ParseSubscript(std::move(node)));
      } else if (IsOperator("(")) {
        LATHE_ASSIGN_OR_RETURN(node, ParseCall(Kind::kCall, "", std::move(node)));
      } else {
        return node;
      }
    }
  }
  Result<ExpressionPtr> ParseSubscript(ExpressionPtr object) {
    std::vector<ExpressionPtr> parts;
    parts.emplace_back();
    bool slice = false;
    while (!IsOperator("]")) {
      if (TakeOperator(":")) {
        slice = true;
        parts.emplace_back();
        continue;
      }
      if (parts.back()) return Bad("expected ']'" + Found());
      LATHE_ASSIGN_OR_RETURN(parts.back(), ParseTuple());
    }
    LATHE_RETURN_IF_ERROR(Expect("]"));
    if (parts.size() > 3 || (!slice && !parts[0])) return Bad("a broken subscript");
    if (!slice) {
      return Make(Kind::kSubscript, "", Operands(std::move(object), std::move(parts[0])));
    }
    parts.resize(3);
    parts.insert(parts.begin(), std::move(object));
    return Make(Kind::kSlice, "", std::move(parts));
  }
  /// operands[0] is `target`; the parentheses are still to come.
  Result<ExpressionPtr> ParseCall(Kind kind, std::string text, ExpressionPtr target) {
    LATHE_RETURN_IF_ERROR(Expect("("));
    std::vector<ExpressionPtr> operands = Operands(std::move(target));
    std::vector<std::pair<std::string, ExpressionPtr>> named;
    int depth = 0;
    while (!TakeOperator(")")) {
      const bool is_named = Peek().kind == Token::Kind::kName &&
                            tokens_[at_ + 1].kind == Token::Kind::kOperator &&
                            tokens_[at_ + 1].text == "=";
      std::string name;
      if (is_named) {
        name = Take().text;
        Take();
      } else if (!named.empty()) {
        return Bad("a positional argument after a named one");
      }
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr argument, ParseExpression());
      depth = std::max(depth, argument->depth);
      if (is_named) {
        named.emplace_back(std::move(name), std::move(argument));
      } else {
        operands.push_back(std::move(argument));
      }
      if (!TakeOperator(",") && !IsOperator(")")) return Bad("expected ',' or ')'" + Found());
    }
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr node, Make(kind, std::move(text), std::move(operands)));
    auto& made = const_cast<Expression&>(*node);
    made.named = std::move(named);
    made.depth = std::max(made.depth, depth + 1);
    return node;
  }
  Result<ExpressionPtr> ParseFilter(ExpressionPtr target) {
    LATHE_ASSIGN_OR_RETURN(std::string name, TakeIdentifier());
    if (IsOperator("(")) return ParseCall(Kind::kFilter, std::move(name), std::move(target));
    return Make(Kind::kFilter, std::move(name), Operands(std::move(target)));
  }
  Result<ExpressionPtr> ParseTest(ExpressionPtr target) {
    const bool negated = TakeName("not");
    LATHE_ASSIGN_OR_RETURN(std::string name, TakeIdentifier());
    ExpressionPtr node;
    if (IsOperator("(")) {
      LATHE_ASSIGN_OR_RETURN(node, ParseCall(Kind::kTest, std::move(name), std::move(target)));
    } else {
      std::vector<ExpressionPtr> operands = Operands(std::move(target));
      if (StartsTestArgument()) {
        LATHE_ASSIGN_OR_RETURN(ExpressionPtr primary, ParsePrimary());
        LATHE_ASSIGN_OR_RETURN(ExpressionPtr argument, ParsePostfix(std::move(primary)));
        operands.push_back(std::move(argument));
      }
      LATHE_ASSIGN_OR_RETURN(node, Make(Kind::kTest, std::move(name), std::move(operands)));
    }
    if (!negated) return node;
    return Make(Kind::kUnary, "not", Operands(std::move(node)));
  }
  bool StartsTestArgument() const {
    switch (Peek().kind) {
      case Token::Kind::kString:
      case Token::Kind::kInteger:
      case Token::Kind::kFloat:
        return true;
      case Token::Kind::kOperator:
        return Peek().text == "[" || Peek().text == "{";
      case Token::Kind::kName: {
        constexpr std::string_view kWords[] = {"else", "or", "and", "if", "is", "in", "not"};
        return std::find(std::begin(kWords), std::end(kWords), Peek().text) == std::end(kWords);
      }
      default:
        return false;
    }
  }

  Result<ExpressionPtr> ParseInteger(const Token& token) {
    std::int64_t value = 0;
    const char* end = token.text.data() + token.text.size();
    if (std::from_chars(token.text.data(), end, value).ec != std::errc()) {
      return Bad("number " + token.text + " is too large");
    }
    return MakeLiteral(value);
  }
  Result<ExpressionPtr> ParsePrimary() {
    const Token token = Take();
    switch (token.kind) {
      case Token::Kind::kName:
        return ParseNameOrConstant(token.text);
      case Token::Kind::kInteger:
        return ParseInteger(token);
      case Token::Kind::kFloat: {
        double value = 0;
        std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
        return MakeLiteral(value);
      }
      case Token::Kind::kString: {
        std::string text = token.text;  // Strings that stand side by side are one.
        while (Peek().kind == Token::Kind::kString) text += Take().text;
        return MakeLiteral(std::move(text));
      }
      case Token::Kind::kOperator:
        if (token.text == "(") return ParseParentheses();
        if (token.text == "[") return ParseList();
        if (token.text == "{") return ParseDict();
        break;
      default:
        break;
    }
    return Bad("expected an expression" +
               (token.text.empty() ? std::string() : ", found '" + token.text + "'"));
  }
  Result<ExpressionPtr> ParseNameOrConstant(const std::string& name) {
    if (name == "true" || name == "True") return MakeLiteral(true);
    if (name == "false" || name == "False") return MakeLiteral(false);
    if (name == "none" || name == "None") return MakeLiteral(None{});
    return Make(Kind::kName, name, {});
  }
  Result<ExpressionPtr> ParseParentheses() {
    if (TakeOperator(")")) return Make(Kind::kList, "", {});
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr first, ParseExpression());
    if (TakeOperator(")")) return first;
    std::vector<ExpressionPtr> elements = Operands(std::move(first));
    while (TakeOperator(",") && !IsOperator(")")) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr next, ParseExpression());
      elements.push_back(std::move(next));
    }
    LATHE_RETURN_IF_ERROR(Expect(")"));
    return Make(Kind::kList, "", std::move(elements));
  }
  Result<ExpressionPtr> ParseList() {
    std::vector<ExpressionPtr> elements;
    while (!IsOperator("]")) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr element, ParseExpression());
      elements.push_back(std::move(element));
      if (!TakeOperator(",")) break;
    }
    LATHE_RETURN_IF_ERROR(Expect("]"));
    return Make(Kind::kList, "", std::move(elements));
  }
  Result<ExpressionPtr> ParseDict() {
    std::vector<ExpressionPtr> members;
    while (!IsOperator("}")) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr key, ParseExpression());
      LATHE_RETURN_IF_ERROR(Expect(":"));
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr value, ParseExpression());
      members.push_back(std::move(key));
      members.push_back(std::move(value));
      if (!TakeOperator(",")) break;
    }
    LATHE_RETURN_IF_ERROR(Expect("}"));
    return Make(Kind::kDict, "", std::move(members));
  }

  // --- statements ---
  /// Statements up to a tag that begins with one of `ends` (which stays), or the template's end.
  Result<Block> ParseBlock(std::initializer_list<std::string_view> ends) {
    const Nesting nesting(depth_);
    if (depth_ > kMaxDepth) return Bad("blocks are nested too deeply");
    Block block;
    while (Peek().kind != Token::Kind::kEnd) {
      if (Peek().kind == Token::Kind::kBlockBegin) {
        const Token& tag = tokens_[at_ + 1];
        if (std::find(ends.begin(), ends.end(), tag.text) != ends.end()) return block;
      }
      LATHE_ASSIGN_OR_RETURN(Statement statement, ParseStatement());
      block.push_back(std::move(statement));
    }
    if (ends.size() == 0) return block;
    return Bad("a block is not closed: expected " + std::string(*(ends.end() - 1)));
  }
  Status EndBlock(std::string_view name) {
    Take();  // {%
    if (!TakeName(name)) return Bad("expected " + std::string(name) + Found());
    return ExpectBlockEnd();
  }
  Result<Statement> ParseStatement() {
    Statement statement;
    statement.line = Peek().line;
    const Token token = Take();
    if (token.kind == Token::Kind::kText) {
      statement.text = token.text;
      return statement;
    }
    if (token.kind == Token::Kind::kOutputBegin) {
      statement.kind = Statement::Kind::kOutput;
      LATHE_ASSIGN_OR_RETURN(statement.expression, ParseTuple());
      if (Peek().kind != Token::Kind::kOutputEnd) return Bad("expected '}}'" + Found());
      Take();
      return statement;
    }
    LATHE_ASSIGN_OR_RETURN(const std::string name, TakeIdentifier());
    if (name == "if") return ParseIf(std::move(statement));
    if (name == "for") return ParseFor(std::move(statement));
    if (name == "set") return ParseSet(std::move(statement));
    if (name == "macro") return ParseMacro(std::move(statement));
    if (name == "generation") {
      statement.kind = Statement::Kind::kGeneration;
      LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
      LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"endgeneration"}));
      LATHE_RETURN_IF_ERROR(EndBlock("endgeneration"));
      return statement;
    }
    if (name == "break" || name == "continue") {
      if (loops_ == 0) return Bad(name + " outside of a loop");
      statement.kind = name == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue;
      LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
      return statement;
    }
    return Bad("the tag '" + name + "' is not supported");
  }
  Result<Statement> ParseIf(Statement statement) {
    statement.kind = Statement::Kind::kIf;
    while (true) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr condition, ParseExpression());
      LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
      LATHE_ASSIGN_OR_RETURN(Block block, ParseBlock({"elif", "else", "endif"}));
      statement.branches.emplace_back(std::move(condition), std::move(block));
      Take();
      if (TakeName("elif")) continue;
      if (TakeName("else")) {
        LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
        LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"endif"}));
        LATHE_RETURN_IF_ERROR(EndBlock("endif"));
        return statement;
      }
      Take();  // endif
      LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
      return statement;
    }
  }
  Result<std::vector<std::string>> ParseTargets() {
    const bool bracketed = TakeOperator("(");
    std::vector<std::string> names;
    do {
      LATHE_ASSIGN_OR_RETURN(std::string name, TakeIdentifier());
      names.push_back(std::move(name));
    } while (TakeOperator(","));
    if (bracketed) LATHE_RETURN_IF_ERROR(Expect(")"));
    return names;
  }
  Result<Statement> ParseFor(Statement statement) {
    statement.kind = Statement::Kind::kFor;
    LATHE_ASSIGN_OR_RETURN(statement.names, ParseTargets());
    if (!TakeName("in")) return Bad("expected 'in'" + Found());
    LATHE_ASSIGN_OR_RETURN(statement.expression, ParseOr());
    if (TakeName("if")) {
      LATHE_ASSIGN_OR_RETURN(statement.filter, ParseExpression());
    }
    if (IsName("recursive")) return Bad("recursive loops are not supported");
    LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
    ++loops_;
    LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"else", "endfor"}));
    --loops_;
    if (tokens_[at_ + 1].text == "else") {
      LATHE_RETURN_IF_ERROR(EndBlock("else"));
      LATHE_ASSIGN_OR_RETURN(statement.otherwise, ParseBlock({"endfor"}));
    }
    LATHE_RETURN_IF_ERROR(EndBlock("endfor"));
    return statement;
  }
  Result<Statement> ParseSet(Statement statement) {
    statement.kind = Statement::Kind::kSet;
    LATHE_ASSIGN_OR_RETURN(statement.names, ParseTargets());
    if (TakeOperator(".")) {
      LATHE_ASSIGN_OR_RETURN(statement.text, TakeIdentifier());
    }
    if (TakeOperator("=")) {
      LATHE_ASSIGN_OR_RETURN(statement.expression, ParseTuple());
      LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
      return statement;
    }
    if (statement.names.size() > 1 || !statement.text.empty()) return Bad("expected '='" + Found());
    statement.kind = Statement::Kind::kSetBlock;
    LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
    LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"endset"}));
    LATHE_RETURN_IF_ERROR(EndBlock("endset"));
    return statement;
  }
  Result<Statement> ParseMacro(Statement statement) {
    statement.kind = Statement::Kind::kMacro;
    LATHE_ASSIGN_OR_RETURN(statement.text, TakeIdentifier());
    LATHE_RETURN_IF_ERROR(Expect("("));
    while (!TakeOperator(")")) {
      LATHE_ASSIGN_OR_RETURN(std::string name, TakeIdentifier());
      statement.names.push_back(std::move(name));
      statement.defaults.emplace_back();
      if (TakeOperator("=")) {
        LATHE_ASSIGN_OR_RETURN(statement.defaults.back(), ParseExpression());
      }
      if (!TakeOperator(",") && !IsOperator(")")) return Bad("expected ',' or ')'" + Found());
    }
    LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
    const int outer_loops = std::exchange(loops_, 0);
    LATHE_ASSIGN_OR_RETURN(statement.body, ParseBlock({"endmacro"}));
    loops_ = outer_loops;
    Take();
    Take();
    if (Peek().kind == Token::Kind::kName) Take();  // endmacro may repeat the name.
    LATHE_RETURN_IF_ERROR(ExpectBlockEnd());
    return statement;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;
};

}  // namespace

Result<Block> ParseTemplate(std::string_view source) {
  LATHE_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens)).Run();
}

}  // namespace lathe::trainer::chat_template
