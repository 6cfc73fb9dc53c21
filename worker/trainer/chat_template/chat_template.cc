#include "worker/trainer/chat_template/chat_template.h"

#include <algorithm>

#include "worker/trainer/chat_template/interpreter.h"
#include "worker/trainer/chat_template/parser.h"

namespace lathe::trainer::chat_template {
namespace {

bool Marks(const Block& block) {
  return std::any_of(block.begin(), block.end(), [](const Statement& statement) {
    return statement.kind == Statement::Kind::kGeneration || Marks(statement.body) ||
           Marks(statement.otherwise) ||
           std::any_of(statement.branches.begin(), statement.branches.end(),
                       [](const auto& branch) { return Marks(branch.second); });
  });
}

}  // namespace

ChatTemplate::ChatTemplate(Block block)
    : block_(std::make_shared<const Block>(std::move(block))), marks_generation_(Marks(*block_)) {}

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source) {
  auto block = ParseTemplate(source);
  if (!block) return Failure(block.error().WithContext("chat template"));
  return ChatTemplate(*std::move(block));
}

Result<Rendered> ChatTemplate::Render(const Dict& context, Instant now) const {
  auto rendered = Interpreter(context, now).Run(*block_);
  if (!rendered) return Failure(rendered.error().WithContext("chat template"));
  return rendered;
}

}  // namespace lathe::trainer::chat_template
