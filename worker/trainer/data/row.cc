#include "worker/trainer/data/row.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "common/base/check.h"
#include "worker/trainer/data/encode.h"

namespace lathe::trainer::data {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::pair<std::string_view, Format>, 7> kNames = {{
    {"messages", Format::kMessages},
    {"prompt_completion", Format::kPromptCompletion},
    {"instruction", Format::kInstruction},
    {"sharegpt", Format::kShareGpt},
    {"text", Format::kText},
    {"tokenized", Format::kTokenized},
    {"preference", Format::kPreference},
}};

Json Message(std::string_view role, std::string content) {
  return Json{{"role", role}, {"content", std::move(content)}};
}

Result<Example> FromChat(const Json& conversation, const RowSettings& settings,
                         const TextModel& model) {
  LATHE_ASSIGN_OR_RETURN(const EncodedChat chat, model.EncodeChat(conversation));
  const bool everything = settings.loss_on == LossOn::kEverything;
  if (!everything && !chat.assistant_mask) return Bad(chat.mask_problem);
  Example example;
  example.tokens.assign(chat.ids.begin(), chat.ids.end());
  example.labels.assign(chat.ids.size(), kIgnoredLabel);
  for (std::size_t i = 0; chat.assistant_mask && i < chat.ids.size(); ++i) {
    if ((*chat.assistant_mask)[i] != 0) example.labels[i] = chat.ids[i];
  }
  AnswersFromLabels(example);
  if (everything) example.labels = example.tokens;
  return example;
}

Result<Example> FromPromptCompletion(const Json& row, const RowSettings& settings,
                                     const TextModel& model) {
  if (row.contains("prompt") && row["prompt"].is_array()) {
    if (!row.contains("completion") || !row["completion"].is_array()) {
      return Bad("\"completion\" must be a list of messages like \"prompt\"");
    }
    Json conversation = row;
    conversation["messages"] = row["prompt"];
    for (const Json& message : row["completion"]) conversation["messages"].push_back(message);
    return FromChat(conversation, settings, model);
  }
  LATHE_ASSIGN_OR_RETURN(const std::string prompt, Text(row, "prompt"));
  LATHE_ASSIGN_OR_RETURN(const std::string completion, Text(row, "completion"));
  if (completion.empty()) return Bad("\"completion\" is empty");
  LATHE_ASSIGN_OR_RETURN(Example example, EncodeText(prompt + completion, prompt.size(), model));
  AnswersFromLabels(example);
  if (settings.loss_on == LossOn::kEverything) example.labels = example.tokens;
  return example;
}

Result<Example> FromInstruction(const Json& row, const RowSettings& settings,
                                const TextModel& model) {
  LATHE_ASSIGN_OR_RETURN(std::string instruction, Text(row, "instruction"));
  LATHE_ASSIGN_OR_RETURN(std::string output, Text(row, "output"));
  Json messages = Json::array();
  if (row.contains("system") && row["system"].is_string() && row["system"] != "") {
    messages.push_back(Message("system", row["system"].get<std::string>()));
  }
  if (row.contains("input") && row["input"].is_string() && row["input"] != "") {
    instruction += "\n\n" + row["input"].get<std::string>();
  }
  messages.push_back(Message("user", std::move(instruction)));
  messages.push_back(Message("assistant", std::move(output)));
  return FromChat({{"messages", std::move(messages)}}, settings, model);
}

Result<std::string_view> RoleOf(const std::string& from) {
  if (from == "human" || from == "user") return "user";
  if (from == "gpt" || from == "assistant" || from == "model") return "assistant";
  if (from == "system") return "system";
  if (from == "tool" || from == "observation" || from == "function_response") return "tool";
  return Bad("unknown speaker \"" + from + "\"; human, gpt, system and tool are known");
}

Result<Example> FromShareGpt(const Json& row, const RowSettings& settings, const TextModel& model) {
  const auto turns = row.find("conversations");
  if (turns == row.end() || !turns->is_array()) return Bad("needs \"conversations\", a list");
  Json messages = Json::array();
  if (row.contains("system") && row["system"].is_string() && row["system"] != "") {
    messages.push_back(Message("system", row["system"].get<std::string>()));
  }
  for (std::size_t i = 0; i < turns->size(); ++i) {
    const std::string place = "conversations[" + std::to_string(i) + "]";
    const Json& turn = (*turns)[i];
    if (!turn.is_object()) return Bad(place + " must be an object with from and value");
    auto from = Text(turn, "from");
    if (!from) return Failure(from.error().WithContext(place));
    auto role = RoleOf(*from);
    if (!role) return Failure(role.error().WithContext(place));
    auto value = Text(turn, "value");
    if (!value) return Failure(value.error().WithContext(place));
    messages.push_back(Message(*role, *std::move(value)));
  }
  Json conversation = {{"messages", std::move(messages)}};
  if (row.contains("tools")) conversation["tools"] = row["tools"];
  return FromChat(conversation, settings, model);
}

Result<Example> FromPlainText(const Json& row, const RowSettings& settings,
                              const TextModel& model) {
  if (settings.loss_on == LossOn::kCompletions) {
    return Bad(
        "plain text has no completion to learn; set schedule.trainOnInputs to auto or enabled");
  }
  LATHE_ASSIGN_OR_RETURN(const std::string text, Text(row, "text"));
  if (text.empty()) return Bad("\"text\" is empty");
  return EncodeText(text, 0, model);
}

Result<Example> FromTokens(const Json& row) {
  Example example;
  LATHE_ASSIGN_OR_RETURN(example.tokens, Integers(row, "input_ids"));
  LATHE_ASSIGN_OR_RETURN(example.labels, Integers(row, "labels"));
  if (example.tokens.empty()) return Bad("\"input_ids\" is empty");
  if (example.labels.size() != example.tokens.size()) {
    return Bad("\"labels\" has " + std::to_string(example.labels.size()) +
               " elements, \"input_ids\" " + std::to_string(example.tokens.size()));
  }
  AnswersFromLabels(example);
  return example;
}

Result<Example> Encode(const Json& row, const RowSettings& settings, const TextModel* model) {
  if (settings.format == Format::kTokenized) return FromTokens(row);
  LATHE_CHECK(model != nullptr, "rows of text come with a text model");
  switch (settings.format) {
    case Format::kPromptCompletion:
      return FromPromptCompletion(row, settings, *model);
    case Format::kInstruction:
      return FromInstruction(row, settings, *model);
    case Format::kShareGpt:
      return FromShareGpt(row, settings, *model);
    case Format::kText:
      return FromPlainText(row, settings, *model);
    default:
      return FromChat(row, settings, *model);
  }
}

}  // namespace

std::optional<Format> FormatFromName(std::string_view name) {
  for (const auto& [known, format] : kNames) {
    if (known == name) return format;
  }
  return std::nullopt;
}

std::string_view ToString(Format format) {
  for (const auto& [name, known] : kNames) {
    if (known == format) return name;
  }
  return "unknown";
}

std::optional<Format> DetectFormat(const Json& row) {
  const auto has = [&](const char* key) { return row.is_object() && row.contains(key); };
  if (has("input_ids")) return Format::kTokenized;
  for (const char* key : {"chosen", "rejected", "chosen_ids", "rejected_ids"}) {
    if (has(key)) return Format::kPreference;
  }
  if (has("messages")) return Format::kMessages;
  if (has("conversations")) return Format::kShareGpt;
  if (has("prompt") && has("completion")) return Format::kPromptCompletion;
  if (has("instruction") && has("output")) return Format::kInstruction;
  if (has("text")) return Format::kText;
  return std::nullopt;
}

Result<Example> EncodeRow(const Json& row, const RowSettings& settings, const TextModel* model) {
  LATHE_CHECK(settings.format != Format::kPreference, "a pair is two examples: see EncodePair");
  if (!row.is_object()) return Bad("must be a JSON object");
  LATHE_ASSIGN_OR_RETURN(Example example, Encode(row, settings, model));
  LATHE_RETURN_IF_ERROR(CheckVocabulary(example, settings.vocabulary));
  if (CountTargets(example) == 0) {
    return Bad(
        "nothing in it is to be learnt (no answer of the assistant, or all labels are -100)");
  }
  return example;
}

}  // namespace lathe::trainer::data
