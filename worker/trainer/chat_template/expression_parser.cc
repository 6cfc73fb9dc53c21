#include "worker/trainer/chat_template/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

namespace lathe::trainer::chat_template {
namespace {

using Kind = Expression::Kind;

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenReader& tokens) : tokens_(tokens) {}

  Result<ExpressionPtr> ParseExpression() {
    const TokenReader::Nesting nesting(tokens_);
    if (nesting.too_deep()) return tokens_.Bad("an expression is nested too deeply");
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr node, ParseOr());
    while (tokens_.TakeName("if")) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr condition, ParseOr());
      std::vector<ExpressionPtr> operands = Operands(std::move(condition), std::move(node));
      operands.emplace_back();
      if (tokens_.TakeName("else")) {
        LATHE_ASSIGN_OR_RETURN(operands.back(), ParseExpression());
      }
      LATHE_ASSIGN_OR_RETURN(node, Make(Kind::kConditional, "", std::move(operands)));
    }
    return node;
  }

  Result<ExpressionPtr> ParseTuple() {
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr first, ParseExpression());
    if (!tokens_.IsOperator(",")) return first;
    std::vector<ExpressionPtr> elements = Operands(std::move(first));
    while (tokens_.TakeOperator(",")) {
      if (tokens_.Peek().kind == Token::Kind::kBlockEnd ||
          tokens_.Peek().kind == Token::Kind::kOutputEnd)
        break;
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr next, ParseExpression());
      elements.push_back(std::move(next));
    }
    return Make(Kind::kList, "", std::move(elements));
  }

  Result<ExpressionPtr> ParseOr() { return LeftAssociative(&ExpressionParser::ParseAnd, {"or"}); }

 private:
  Result<ExpressionPtr> Make(Kind kind, std::string text, std::vector<ExpressionPtr> operands) {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->text = std::move(text);
    node->line = tokens_.Peek().line;
    for (const ExpressionPtr& operand : operands) {
      if (operand) node->depth = std::max(node->depth, operand->depth + 1);
    }
    if (node->depth > kMaxNesting) return tokens_.Bad("an expression is nested too deeply");
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

  using Level = Result<ExpressionPtr> (ExpressionParser::*)();
  Result<ExpressionPtr> LeftAssociative(Level next, std::initializer_list<std::string_view> ops) {
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr left, (this->*next)());
    while (tokens_.Peek().kind == Token::Kind::kOperator ||
           tokens_.Peek().kind == Token::Kind::kName) {
      const auto op = std::find(ops.begin(), ops.end(), tokens_.Peek().text);
      if (op == ops.end()) break;
      tokens_.Take();
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr right, (this->*next)());
      LATHE_ASSIGN_OR_RETURN(
          left, Make(Kind::kBinary, std::string(*op), Operands(std::move(left), std::move(right))));
    }
    return left;
  }
  Result<ExpressionPtr> ParseAnd() { return LeftAssociative(&ExpressionParser::ParseNot, {"and"}); }
  Result<ExpressionPtr> ParseNot() {
    if (!tokens_.TakeName("not")) return ParseCompare();
    const TokenReader::Nesting nesting(tokens_);
    if (nesting.too_deep()) return tokens_.Bad("an expression is nested too deeply");
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseNot());
    return Make(Kind::kUnary, "not", Operands(std::move(operand)));
  }
  Result<ExpressionPtr> ParseCompare() {
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr left, ParseSum());
    bool compared = false;
    while (true) {
      std::string op;
      for (const std::string_view candidate : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (op.empty() && tokens_.IsOperator(candidate)) op = candidate;
      }
      const bool not_in = tokens_.IsName("not") && tokens_.Next().kind == Token::Kind::kName &&
                          tokens_.Next().text == "in";
      if (not_in) tokens_.Take();
      if (tokens_.IsName("in")) op = not_in ? "not in" : "in";
      if (op.empty()) return left;
      if (compared) return tokens_.Bad("chained comparisons are not supported");
      tokens_.Take();
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr right, ParseSum());
      LATHE_ASSIGN_OR_RETURN(left,
                             Make(Kind::kBinary, op, Operands(std::move(left), std::move(right))));
      compared = true;
    }
  }
  Result<ExpressionPtr> ParseSum() {
    return LeftAssociative(&ExpressionParser::ParseConcat, {"+", "-"});
  }
  Result<ExpressionPtr> ParseConcat() {
    return LeftAssociative(&ExpressionParser::ParseProduct, {"~"});
  }
  Result<ExpressionPtr> ParseProduct() {
    return LeftAssociative(&ExpressionParser::ParsePower, {"*", "/", "//", "%"});
  }
  Result<ExpressionPtr> ParsePower() {
    return LeftAssociative(&ExpressionParser::ParseFiltered, {"**"});
  }

  Result<ExpressionPtr> ParseFiltered() {
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr node, ParseUnary());
    while (true) {
      if (tokens_.TakeOperator("|")) {
        LATHE_ASSIGN_OR_RETURN(node, ParseFilter(std::move(node)));
      } else if (tokens_.TakeName("is")) {
        LATHE_ASSIGN_OR_RETURN(node, ParseTest(std::move(node)));
      } else if (tokens_.IsOperator("(")) {
        LATHE_ASSIGN_OR_RETURN(node, ParseCall(Kind::kCall, "", std::move(node)));
      } else {
        return node;
      }
    }
  }
  Result<ExpressionPtr> ParseUnary() {
    for (const char* sign : {"-", "+"}) {
      if (!tokens_.TakeOperator(sign)) continue;
      const TokenReader::Nesting nesting(tokens_);
      if (nesting.too_deep()) return tokens_.Bad("an expression is nested too deeply");
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseUnary());
      return Make(Kind::kUnary, sign, Operands(std::move(operand)));
    }
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr node, ParsePrimary());
    return ParsePostfix(std::move(node));
  }
  Result<ExpressionPtr> ParsePostfix(ExpressionPtr node) {
    while (true) {
      if (tokens_.TakeOperator(".")) {
        if (tokens_.Peek().kind != Token::Kind::kName &&
            tokens_.Peek().kind != Token::Kind::kInteger) {
          return tokens_.Expected("a name after '.'");
        }
        const Token member = tokens_.Take();
        if (member.kind == Token::Kind::kInteger) {
          LATHE_ASSIGN_OR_RETURN(ExpressionPtr index, ParseInteger(member));
          LATHE_ASSIGN_OR_RETURN(
              node, Make(Kind::kSubscript, "", Operands(std::move(node), std::move(index))));
        } else {
          LATHE_ASSIGN_OR_RETURN(node,
                                 Make(Kind::kAttribute, member.text, Operands(std::move(node))));
        }
      } else if (tokens_.TakeOperator("[")) {
        LATHE_ASSIGN_OR_RETURN(node, ParseSubscript(std::move(node)));
      } else if (tokens_.IsOperator("(")) {
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
    while (!tokens_.IsOperator("]")) {
      if (tokens_.TakeOperator(":")) {
        slice = true;
        parts.emplace_back();
        continue;
      }
      if (parts.back()) return tokens_.Expected("']'");
      LATHE_ASSIGN_OR_RETURN(parts.back(), ParseTuple());
    }
    LATHE_RETURN_IF_ERROR(tokens_.Expect("]"));
    if (parts.size() > 3 || (!slice && !parts[0])) return tokens_.Bad("a broken subscript");
    if (!slice) {
      return Make(Kind::kSubscript, "", Operands(std::move(object), std::move(parts[0])));
    }
    parts.resize(3);
    parts.insert(parts.begin(), std::move(object));
    return Make(Kind::kSlice, "", std::move(parts));
  }
  /// operands[0] is `target`; the parentheses are still to come.
  Result<ExpressionPtr> ParseCall(Kind kind, std::string text, ExpressionPtr target) {
    LATHE_RETURN_IF_ERROR(tokens_.Expect("("));
    std::vector<ExpressionPtr> operands = Operands(std::move(target));
    std::vector<std::pair<std::string, ExpressionPtr>> named;
    int depth = 0;
    while (!tokens_.TakeOperator(")")) {
      const bool is_named = tokens_.Peek().kind == Token::Kind::kName &&
                            tokens_.Next().kind == Token::Kind::kOperator &&
                            tokens_.Next().text == "=";
      std::string name;
      if (is_named) {
        name = tokens_.Take().text;
        tokens_.Take();
      } else if (!named.empty()) {
        return tokens_.Bad("a positional argument after a named one");
      }
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr argument, ParseExpression());
      depth = std::max(depth, argument->depth);
      if (is_named) {
        named.emplace_back(std::move(name), std::move(argument));
      } else {
        operands.push_back(std::move(argument));
      }
      if (!tokens_.TakeOperator(",") && !tokens_.IsOperator(")")) {
        return tokens_.Expected("',' or ')'");
      }
    }
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr node, Make(kind, std::move(text), std::move(operands)));
    auto& made = const_cast<Expression&>(*node);
    made.named = std::move(named);
    made.depth = std::max(made.depth, depth + 1);
    return node;
  }
  Result<ExpressionPtr> ParseFilter(ExpressionPtr target) {
    LATHE_ASSIGN_OR_RETURN(std::string name, tokens_.TakeIdentifier());
    if (tokens_.IsOperator("(")) {
      return ParseCall(Kind::kFilter, std::move(name), std::move(target));
    }
    return Make(Kind::kFilter, std::move(name), Operands(std::move(target)));
  }
  Result<ExpressionPtr> ParseTest(ExpressionPtr target) {
    const bool negated = tokens_.TakeName("not");
    LATHE_ASSIGN_OR_RETURN(std::string name, tokens_.TakeIdentifier());
    ExpressionPtr node;
    if (tokens_.IsOperator("(")) {
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
    switch (tokens_.Peek().kind) {
      case Token::Kind::kString:
      case Token::Kind::kInteger:
      case Token::Kind::kFloat:
        return true;
      case Token::Kind::kOperator:
        return tokens_.Peek().text == "[" || tokens_.Peek().text == "{";
      case Token::Kind::kName: {
        constexpr std::string_view kWords[] = {"else", "or", "and", "if", "is", "in", "not"};
        return std::find(std::begin(kWords), std::end(kWords), tokens_.Peek().text) ==
               std::end(kWords);
      }
      default:
        return false;
    }
  }

  Result<ExpressionPtr> ParseInteger(const Token& token) {
    std::int64_t value = 0;
    const char* end = token.text.data() + token.text.size();
    if (std::from_chars(token.text.data(), end, value).ec != std::errc()) {
      return tokens_.Bad("number " + token.text + " is too large");
    }
    return MakeLiteral(value);
  }
  Result<ExpressionPtr> ParsePrimary() {
    const Token token = tokens_.Take();
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
        while (tokens_.Peek().kind == Token::Kind::kString) text += tokens_.Take().text;
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
    return tokens_.Bad("expected an expression" +
                       (token.text.empty() ? std::string() : ", found '" + token.text + "'"));
  }
  Result<ExpressionPtr> ParseNameOrConstant(const std::string& name) {
    if (name == "true" || name == "True") return MakeLiteral(true);
    if (name == "false" || name == "False") return MakeLiteral(false);
    if (name == "none" || name == "None") return MakeLiteral(None{});
    return Make(Kind::kName, name, {});
  }
  Result<ExpressionPtr> ParseParentheses() {
    if (tokens_.TakeOperator(")")) return Make(Kind::kList, "", {});
    LATHE_ASSIGN_OR_RETURN(ExpressionPtr first, ParseExpression());
    if (tokens_.TakeOperator(")")) return first;
    std::vector<ExpressionPtr> elements = Operands(std::move(first));
    while (tokens_.TakeOperator(",") && !tokens_.IsOperator(")")) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr next, ParseExpression());
      elements.push_back(std::move(next));
    }
    LATHE_RETURN_IF_ERROR(tokens_.Expect(")"));
    return Make(Kind::kList, "", std::move(elements));
  }
  Result<ExpressionPtr> ParseList() {
    std::vector<ExpressionPtr> elements;
    while (!tokens_.IsOperator("]")) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr element, ParseExpression());
      elements.push_back(std::move(element));
      if (!tokens_.TakeOperator(",")) break;
    }
    LATHE_RETURN_IF_ERROR(tokens_.Expect("]"));
    return Make(Kind::kList, "", std::move(elements));
  }
  Result<ExpressionPtr> ParseDict() {
    std::vector<ExpressionPtr> members;
    while (!tokens_.IsOperator("}")) {
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr key, ParseExpression());
      LATHE_RETURN_IF_ERROR(tokens_.Expect(":"));
      LATHE_ASSIGN_OR_RETURN(ExpressionPtr value, ParseExpression());
      members.push_back(std::move(key));
      members.push_back(std::move(value));
      if (!tokens_.TakeOperator(",")) break;
    }
    LATHE_RETURN_IF_ERROR(tokens_.Expect("}"));
    return Make(Kind::kDict, "", std::move(members));
  }

  TokenReader& tokens_;
};

}  // namespace

Result<ExpressionPtr> ParseExpression(TokenReader& tokens) {
  return ExpressionParser(tokens).ParseExpression();
}

Result<ExpressionPtr> ParseUnconditional(TokenReader& tokens) {
  return ExpressionParser(tokens).ParseOr();
}

Result<ExpressionPtr> ParseTuple(TokenReader& tokens) {
  return ExpressionParser(tokens).ParseTuple();
}

}  // namespace lathe::trainer::chat_template
