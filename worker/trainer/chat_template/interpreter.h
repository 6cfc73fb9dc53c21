#pragma once
// Walks a template's tree. One object renders once; not thread-safe.

#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "worker/trainer/chat_template/chat_template.h"
#include "worker/trainer/chat_template/functions.h"

namespace lathe::trainer::chat_template {

class Interpreter {
 public:
  Interpreter(const Dict& context, Instant now);
  Result<Rendered> Run(const Block& block);

 private:
  enum class Flow : std::uint8_t { kNext, kBreak, kContinue };
  using Scope = std::map<std::string, Value, std::less<>>;
  class DepthGuard;

  Result<Flow> Execute(const Block& block);
  Result<Flow> Execute(const Statement& statement);
  Result<Flow> ExecuteIf(const Statement& statement);
  Result<Flow> ExecuteFor(const Statement& statement);
  Result<Flow> ExecuteGeneration(const Statement& statement);
  Status ExecuteSet(const Statement& statement);
  Result<List> LoopElements(const Statement& statement);
  Status Assign(const std::vector<std::string>& names, const Value& value);
  /// Runs a block with its output kept apart.
  Result<std::string> Capture(const Block& block);
  Status Emit(std::string_view text);

  Result<Value> Evaluate(const Expression& expression);
  Result<Value> EvaluateUnchecked(const Expression& expression);
  Result<Value> EvaluateUnary(const Expression& expression);
  Result<Value> EvaluateBinary(const Expression& expression);
  Result<Value> EvaluateConditional(const Expression& expression);
  Result<Value> EvaluateDict(const Expression& expression);
  Result<Value> EvaluateSlice(const Expression& expression);
  Result<Value> EvaluateCall(const Expression& expression);
  Result<Arguments> EvaluateArguments(const Expression& expression);
  Result<Value> Call(const Callable& callable, const Arguments& arguments);
  Result<Value> CallMacro(const Statement& macro, const Arguments& arguments);

  Value Lookup(const std::string& name) const;
  Status Charge(std::uint64_t steps);

  Instant now_;
  std::vector<Scope> scopes_;  ///< [0] arguments, [1] the template's own, then loops and macros
  std::string output_;
  std::vector<Span> generated_;
  std::uint64_t steps_ = 0;
  int depth_ = 0;
  int captures_ = 0;
};

}  // namespace lathe::trainer::chat_template
