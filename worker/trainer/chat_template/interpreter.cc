#include "worker/trainer/chat_template/interpreter.h"

#include <algorithm>
#include <array>

namespace lathe::trainer::chat_template {
namespace {

using Kind = Expression::Kind;

constexpr std::uint64_t kMaxSteps = 20'000'000;   ///< an expression or statement is one
constexpr std::uint64_t kStepsPerIteration = 10;  ///< a scope and the loop variable are made
// Of nested evaluation, macros included; stays within 8 MiB of stack with sanitizers too.
constexpr int kMaxDepth = 400;
constexpr int kMaxValueDepth = 100;
constexpr std::uint64_t kMaxValueSize = 10'000'000;

tl::unexpected<Error> TooMuch(const std::string& what) {
  return Failure(ErrorCode::kInvalidArgument, "the template " + what);
}

/// The innermost line wins: outer ones add nothing for the reader.
Error AtLine(Error error, int line) {
  if (error.message.starts_with("line ")) return error;
  return error.WithContext("line " + std::to_string(line));
}

Value LoopState(const List& elements, std::size_t i) {
  const auto index = static_cast<std::int64_t>(i);
  const auto length = static_cast<std::int64_t>(elements.size());
  Dict loop = {{"index", index + 1},
               {"index0", index},
               {"revindex", length - index},
               {"revindex0", length - index - 1},
               {"first", i == 0},
               {"last", i + 1 == elements.size()},
               {"length", length}};
  if (i > 0) loop.emplace_back("previtem", elements[i - 1]);
  if (i + 1 < elements.size()) loop.emplace_back("nextitem", elements[i + 1]);
  return loop;
}

}  // namespace

class Interpreter::DepthGuard {
 public:
  explicit DepthGuard(int& depth) : depth_(++depth) {}
  ~DepthGuard() { --depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int& depth_;
};

Interpreter::Interpreter(const Dict& context, Instant now) : now_(now), scopes_(2) {
  for (const char* name : kGlobals) scopes_[0].emplace(name, Callable{name, nullptr});
  for (const auto& [name, value] : context) scopes_[0].insert_or_assign(name, value);
}

Result<Rendered> Interpreter::Run(const Block& block) {
  LATHE_RETURN_IF_ERROR(Execute(block));
  return Rendered{std::move(output_), std::move(generated_)};
}

Status Interpreter::Charge(std::uint64_t steps) {
  steps_ += steps;
  if (steps_ > kMaxSteps) return TooMuch("takes too many steps");
  return {};
}

Status Interpreter::Emit(std::string_view text) {
  if (output_.size() + text.size() > kMaxTextBytes) return TooMuch("produces too much text");
  output_ += text;
  return {};
}

Result<Interpreter::Flow> Interpreter::Execute(const Block& block) {
  for (const Statement& statement : block) {
    LATHE_RETURN_IF_ERROR(Charge(1));
    auto flow = Execute(statement);
    if (!flow) return Failure(AtLine(flow.error(), statement.line));
    if (*flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::Execute(const Statement& statement) {
  const DepthGuard guard(depth_);
  if (depth_ > kMaxDepth) return TooMuch("nests too deeply");
  switch (statement.kind) {
    case Statement::Kind::kText:
      LATHE_RETURN_IF_ERROR(Emit(statement.text));
      return Flow::kNext;
    case Statement::Kind::kOutput: {
      LATHE_ASSIGN_OR_RETURN(const Value value, Evaluate(*statement.expression));
      LATHE_RETURN_IF_ERROR(Charge(value.extent().size));
      LATHE_RETURN_IF_ERROR(Emit(ToText(value)));
      return Flow::kNext;
    }
    case Statement::Kind::kIf:
      return ExecuteIf(statement);
    case Statement::Kind::kFor:
      return ExecuteFor(statement);
    case Statement::Kind::kSet:
      LATHE_RETURN_IF_ERROR(ExecuteSet(statement));
      return Flow::kNext;
    case Statement::Kind::kSetBlock: {
      LATHE_ASSIGN_OR_RETURN(std::string text, Capture(statement.body));
      scopes_.back().insert_or_assign(statement.names[0], Value(std::move(text)));
      return Flow::kNext;
    }
    case Statement::Kind::kMacro:
      scopes_.back().insert_or_assign(statement.text, Value(Callable{statement.text, &statement}));
      return Flow::kNext;
    case Statement::Kind::kGeneration:
      return ExecuteGeneration(statement);
    case Statement::Kind::kBreak:
      return Flow::kBreak;
    case Statement::Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::ExecuteIf(const Statement& statement) {
  for (const auto& [condition, block] : statement.branches) {
    LATHE_ASSIGN_OR_RETURN(const Value value, Evaluate(*condition));
    if (IsTrue(value)) return Execute(block);
  }
  return Execute(statement.body);
}

/// What the loop runs over: all elements, less those that its `if` leaves out.
Result<List> Interpreter::LoopElements(const Statement& statement) {
  LATHE_ASSIGN_OR_RETURN(const Value iterated, Evaluate(*statement.expression));
  LATHE_ASSIGN_OR_RETURN(List elements, Elements(iterated));
  LATHE_RETURN_IF_ERROR(Charge(elements.size()));
  if (!statement.filter) return elements;
  List kept;
  for (const Value& element : elements) {
    scopes_.emplace_back();
    Status assigned = Assign(statement.names, element);
    auto condition =
        assigned ? Evaluate(*statement.filter) : Result<Value>(Failure(assigned.error()));
    scopes_.pop_back();
    if (!condition) return Failure(condition.error());
    if (IsTrue(*condition)) kept.push_back(element);
  }
  return kept;
}

Result<Interpreter::Flow> Interpreter::ExecuteFor(const Statement& statement) {
  LATHE_ASSIGN_OR_RETURN(const List elements, LoopElements(statement));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    LATHE_RETURN_IF_ERROR(Charge(kStepsPerIteration));
    scopes_.emplace_back();
    scopes_.back().emplace("loop", LoopState(elements, i));
    const Status assigned = Assign(statement.names, elements[i]);
    Result<Flow> flow =
        assigned ? Execute(statement.body) : Result<Flow>(Failure(assigned.error()));
    scopes_.pop_back();
    if (!flow) return flow;
    if (*flow == Flow::kBreak) break;
  }
  return elements.empty() ? Execute(statement.otherwise) : Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::ExecuteGeneration(const Statement& statement) {
  const std::size_t begin = output_.size();
  LATHE_ASSIGN_OR_RETURN(const Flow flow, Execute(statement.body));
  if (captures_ > 0) return Bad("a generation block cannot stand in a macro or a set block");
  generated_.push_back({begin, output_.size()});
  return flow;
}

Status Interpreter::ExecuteSet(const Statement& statement) {
  LATHE_ASSIGN_OR_RETURN(Value value, Evaluate(*statement.expression));
  if (statement.text.empty()) return Assign(statement.names, value);
  const Value target = Lookup(statement.names[0]);
  const auto* space = target.As<std::shared_ptr<Namespace>>();
  if (space == nullptr) return Bad("'" + statement.names[0] + "' is no namespace");
  // A namespace inside itself would never be freed.
  if (value.extent().holds_namespace) return Bad("a namespace cannot hold a namespace");
  SetKey((*space)->members, statement.text, std::move(value));
  return {};
}

Status Interpreter::Assign(const std::vector<std::string>& names, const Value& value) {
  if (names.size() == 1) {
    scopes_.back().insert_or_assign(names[0], value);
    return {};
  }
  LATHE_ASSIGN_OR_RETURN(const List elements, Elements(value));
  if (elements.size() != names.size()) {
    return Bad(std::to_string(elements.size()) + " values for " + std::to_string(names.size()) +
               " names");
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    scopes_.back().insert_or_assign(names[i], elements[i]);
  }
  return {};
}

Result<std::string> Interpreter::Capture(const Block& block) {
  std::string outer = std::move(output_);
  output_.clear();
  ++captures_;
  const Result<Flow> flow = Execute(block);
  --captures_;
  std::string captured = std::move(output_);
  output_ = std::move(outer);
  if (!flow) return Failure(flow.error());
  return captured;
}

Value Interpreter::Lookup(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->find(name);
    if (found != scope->end()) return found->second;
  }
  return Undefined{name};
}

Result<Value> Interpreter::Evaluate(const Expression& expression) {
  const DepthGuard guard(depth_);
  if (depth_ > kMaxDepth) return TooMuch("nests too deeply");
  LATHE_RETURN_IF_ERROR(Charge(1));
  auto value = EvaluateUnchecked(expression);
  if (!value) return value;
  const Extent extent = value->extent();
  if (extent.depth > kMaxValueDepth || extent.size > kMaxValueSize) {
    return TooMuch("builds too large a value");
  }
  std::uint64_t cost = extent.size / 64;
  if (const std::string* text = value->AsString()) {
    if (text->size() > kMaxTextBytes) return TooMuch("builds too long a text");
    cost = text->size() / 256;
  }
  LATHE_RETURN_IF_ERROR(Charge(cost));
  return value;
}

Result<Value> Interpreter::EvaluateUnchecked(const Expression& expression) {
  switch (expression.kind) {
    case Kind::kLiteral:
      return expression.value;
    case Kind::kName:
      return Lookup(expression.text);
    case Kind::kList: {
      List list;
      for (const ExpressionPtr& operand : expression.operands) {
        LATHE_ASSIGN_OR_RETURN(Value element, Evaluate(*operand));
        list.push_back(std::move(element));
      }
      return Value(std::move(list));
    }
    case Kind::kDict:
      return EvaluateDict(expression);
    case Kind::kAttribute: {
      LATHE_ASSIGN_OR_RETURN(const Value object, Evaluate(*expression.operands[0]));
      return GetAttribute(object, expression.text);
    }
    case Kind::kSubscript: {
      LATHE_ASSIGN_OR_RETURN(const Value object, Evaluate(*expression.operands[0]));
      LATHE_ASSIGN_OR_RETURN(const Value index, Evaluate(*expression.operands[1]));
      return GetItem(object, index);
    }
    case Kind::kSlice:
      return EvaluateSlice(expression);
    case Kind::kCall:
      return EvaluateCall(expression);
    case Kind::kFilter: {
      LATHE_ASSIGN_OR_RETURN(const Value value, Evaluate(*expression.operands[0]));
      LATHE_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(expression));
      return ApplyFilter(expression.text, value, arguments);
    }
    case Kind::kTest: {
      LATHE_ASSIGN_OR_RETURN(const Value value, Evaluate(*expression.operands[0]));
      LATHE_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(expression));
      LATHE_ASSIGN_OR_RETURN(const bool passes, ApplyTest(expression.text, value, arguments));
      return Value(passes);
    }
    case Kind::kUnary:
      return EvaluateUnary(expression);
    case Kind::kBinary:
      return EvaluateBinary(expression);
    case Kind::kConditional:
      return EvaluateConditional(expression);
  }
  return Value();
}

Result<Value> Interpreter::EvaluateUnary(const Expression& expression) {
  LATHE_ASSIGN_OR_RETURN(const Value value, Evaluate(*expression.operands[0]));
  if (expression.text == "not") return Value(!IsTrue(value));
  return Calculate(expression.text, Value(std::int64_t{0}), value);
}

Result<Value> Interpreter::EvaluateBinary(const Expression& expression) {
  const std::string& op = expression.text;
  LATHE_ASSIGN_OR_RETURN(Value left, Evaluate(*expression.operands[0]));
  if (op == "and" && !IsTrue(left)) return left;
  if (op == "or" && IsTrue(left)) return left;
  LATHE_ASSIGN_OR_RETURN(Value right, Evaluate(*expression.operands[1]));
  if (op == "and" || op == "or") return right;
  if (op == "==") return Value(Equal(left, right));
  if (op == "!=") return Value(!Equal(left, right));
  if (op == "in" || op == "not in") {
    LATHE_ASSIGN_OR_RETURN(const bool contains, Contains(right, left));
    return Value(contains == (op == "in"));
  }
  if (op[0] == '<' || op[0] == '>') {
    LATHE_ASSIGN_OR_RETURN(const int order, Compare(left, right));
    const bool strict = op[0] == '<' ? order < 0 : order > 0;
    return Value(strict || (op.size() == 2 && order == 0));
  }
  return Calculate(op, left, right);
}

Result<Value> Interpreter::EvaluateConditional(const Expression& expression) {
  LATHE_ASSIGN_OR_RETURN(const Value condition, Evaluate(*expression.operands[0]));
  const ExpressionPtr& chosen = expression.operands[IsTrue(condition) ? 1 : 2];
  if (!chosen) return Value(Undefined{});
  return Evaluate(*chosen);
}

Result<Value> Interpreter::EvaluateDict(const Expression& expression) {
  Dict dict;
  for (std::size_t i = 0; i < expression.operands.size(); i += 2) {
    LATHE_ASSIGN_OR_RETURN(const Value key, Evaluate(*expression.operands[i]));
    LATHE_ASSIGN_OR_RETURN(Value value, Evaluate(*expression.operands[i + 1]));
    if (key.AsString() == nullptr) return Bad("a dictionary's keys must be strings");
    SetKey(dict, *key.AsString(), std::move(value));
  }
  return Value(std::move(dict));
}

Result<Value> Interpreter::EvaluateSlice(const Expression& expression) {
  LATHE_ASSIGN_OR_RETURN(const Value object, Evaluate(*expression.operands[0]));
  SliceBounds bounds;
  const std::array<Value*, 3> parts = {&bounds.start, &bounds.stop, &bounds.step};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!expression.operands[i + 1]) continue;
    LATHE_ASSIGN_OR_RETURN(*parts[i], Evaluate(*expression.operands[i + 1]));
  }
  return GetSlice(object, bounds);
}

Result<Arguments> Interpreter::EvaluateArguments(const Expression& expression) {
  Arguments arguments;
  for (std::size_t i = 1; i < expression.operands.size(); ++i) {
    LATHE_ASSIGN_OR_RETURN(Value value, Evaluate(*expression.operands[i]));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, operand] : expression.named) {
    LATHE_ASSIGN_OR_RETURN(Value value, Evaluate(*operand));
    arguments.named.emplace_back(name, std::move(value));
  }
  return arguments;
}

Result<Value> Interpreter::EvaluateCall(const Expression& expression) {
  const Expression& target = *expression.operands[0];
  Value callee;
  if (target.kind == Expression::Kind::kAttribute) {
    LATHE_ASSIGN_OR_RETURN(const Value object, Evaluate(*target.operands[0]));
    if (HasMethod(object, target.text)) {
      LATHE_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(expression));
      return CallMethod(object, target.text, arguments);
    }
    LATHE_ASSIGN_OR_RETURN(callee, GetAttribute(object, target.text));
    if (callee.IsUndefined()) {
      return Bad("a value of type " + std::string(TypeName(object)) + " has no method '" +
                 target.text + "'");
    }
  } else {
    LATHE_ASSIGN_OR_RETURN(callee, Evaluate(target));
  }
  const auto* callable = callee.As<Callable>();
  if (callable == nullptr) {
    const auto* undefined = callee.As<Undefined>();
    return Bad(undefined != nullptr
                   ? "the function '" + undefined->name + "' is not defined"
                   : "a value of type " + std::string(TypeName(callee)) + " is no function");
  }
  LATHE_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(expression));
  return Call(*callable, arguments);
}

Result<Value> Interpreter::Call(const Callable& callable, const Arguments& arguments) {
  if (callable.macro != nullptr) return CallMacro(*callable.macro, arguments);
  return CallGlobal(callable.name, arguments, now_);
}

/// A macro sees the template's own variables and its parameters, not the caller's loops.
Result<Value> Interpreter::CallMacro(const Statement& macro, const Arguments& arguments) {
  if (arguments.positional.size() > macro.names.size()) {
    return Bad("macro " + macro.text + " takes " + std::to_string(macro.names.size()) +
               " arguments");
  }
  Scope parameters;
  for (std::size_t i = 0; i < macro.names.size(); ++i) {
    if (const Value* given = arguments.Find(i, macro.names[i])) {
      parameters.emplace(macro.names[i], *given);
    } else if (macro.defaults[i]) {
      LATHE_ASSIGN_OR_RETURN(Value fallback, Evaluate(*macro.defaults[i]));
      parameters.emplace(macro.names[i], std::move(fallback));
    } else {
      parameters.emplace(macro.names[i], Undefined{macro.names[i]});
    }
  }
  std::vector<Scope> inner(std::make_move_iterator(scopes_.begin() + 2),
                           std::make_move_iterator(scopes_.end()));
  scopes_.resize(2);
  scopes_.push_back(std::move(parameters));
  auto text = Capture(macro.body);
  scopes_.resize(2);
  std::move(inner.begin(), inner.end(), std::back_inserter(scopes_));
  if (!text) return Failure(text.error());
  return Value(*std::move(text));
}

}  // namespace lathe::trainer::chat_template
