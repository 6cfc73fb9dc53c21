#include "worker/trainer/commands/tokenize.h"

#include <nlohmann/json.hpp>
#include <string>

#include "common/base/log.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/data/text_model.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

using Json = nlohmann::ordered_json;

Result<Json> TokenizeChat(const data::TextModel& model, const Json& conversation,
                          std::int64_t line_number) {
  LATHE_ASSIGN_OR_RETURN(const data::EncodedChat chat, model.EncodeChat(conversation));
  Json answer = {{"ids", chat.ids}, {"text", chat.text}, {"assistant_mask", nullptr}};
  if (chat.assistant_mask) {
    answer["assistant_mask"] = *chat.assistant_mask;
  } else {
    log::Warning("no_assistant_mask", {{"line", line_number}, {"reason", chat.mask_problem}});
  }
  return answer;
}

Result<Json> TokenizeLine(const data::TextModel& model, const std::string& line,
                          std::int64_t line_number) {
  const Json parsed = Json::parse(line, nullptr, false);
  if (parsed.is_object()) return TokenizeChat(model, parsed, line_number);
  if (!parsed.is_string()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "must be a JSON string or a conversation {\"messages\": [...]}");
  }
  LATHE_ASSIGN_OR_RETURN(const auto ids,
                         model.tokenizer().Encode(parsed.get_ref<const std::string&>()));
  return Json{{"ids", ids}};
}

}  // namespace

int RunTokenize(const std::filesystem::path& model_path, std::istream& in, std::ostream& out) {
  const auto model = data::TextModel::Load(model_path, {});
  if (!model) return Report(model.error());
  std::int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto answer = TokenizeLine(*model, line, number);
    if (!answer) return Report(answer.error().WithContext("line " + std::to_string(number)));
    out << answer->dump() << '\n' << std::flush;
  }
  return trainer_protocol::kExitSucceeded;
}

}  // namespace lathe::trainer::commands
