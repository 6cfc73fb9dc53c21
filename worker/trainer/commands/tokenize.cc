#include "worker/trainer/commands/tokenize.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "common/base/log.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/data/text_model.h"
#include "worker/trainer/tokenizer/utf8.h"
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

Result<Json> DecodeIds(const data::TextModel& model, const Json& list) {
  std::vector<std::int32_t> ids;
  for (const Json& id : list) {
    const auto value = id.get<std::int64_t>();
    if (value < 0 || value >= model.tokenizer().vocabulary_size()) {
      return Failure(ErrorCode::kInvalidArgument,
                     "id " + std::to_string(value) + " is outside the vocabulary of " +
                         std::to_string(model.tokenizer().vocabulary_size()));
    }
    ids.push_back(static_cast<std::int32_t>(value));
  }
  const std::string text = tokenizer::ReplaceInvalid(model.tokenizer().Decode(ids));
  return Json{{"text", text}};
}

Result<Json> TokenizeLine(const data::TextModel& model, const std::string& line,
                          std::int64_t line_number) {
  const Json parsed = Json::parse(line, nullptr, false);
  if (parsed.is_object()) return TokenizeChat(model, parsed, line_number);
  const bool is_ids = parsed.is_array() && std::all_of(parsed.begin(), parsed.end(), [](auto& id) {
                        return id.is_number_integer();
                      });
  if (is_ids) return DecodeIds(model, parsed);
  if (!parsed.is_string()) {
    return Failure(
        ErrorCode::kInvalidArgument,
        "must be JSON: a text in quotes, a conversation {\"messages\": [...]}, or a list "
        "of ids");
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
