#include "worker/trainer/data/preference.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/check.h"
#include "worker/trainer/data/encode.h"

namespace lathe::trainer::data {
namespace {

using Json = nlohmann::ordered_json;

/// Where two texts begin to differ, moved back to the beginning of a character, and before a space.
std::size_t CommonPrefix(const std::string& a, const std::string& b) {
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  auto size = static_cast<std::size_t>(differ.first - a.begin());
  const auto continues = [](const std::string& text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  while (size > 0 && (continues(a, size) || continues(b, size))) --size;
  if (size > 0 && a[size - 1] == ' ') --size;
  return size;
}

Result<Pair> FromTexts(const Json& row, const TextModel& model) {
  LATHE_ASSIGN_OR_RETURN(std::string chosen, Text(row, "chosen"));
  LATHE_ASSIGN_OR_RETURN(std::string rejected, Text(row, "rejected"));
  std::size_t prompt_size = 0;
  if (row.contains("prompt")) {
    LATHE_ASSIGN_OR_RETURN(const std::string prompt, Text(row, "prompt"));
    if (chosen.empty()) return Bad("\"chosen\" is empty");
    if (rejected.empty()) return Bad("\"rejected\" is empty");
    prompt_size = prompt.size();
    chosen = prompt + chosen;
    rejected = prompt + rejected;
  } else {
    prompt_size = CommonPrefix(chosen, rejected);
  }
  Pair pair;
  LATHE_ASSIGN_OR_RETURN(pair.chosen, EncodeText(chosen, prompt_size, model));
  LATHE_ASSIGN_OR_RETURN(pair.rejected, EncodeText(rejected, prompt_size, model));
  return pair;
}

Result<Example> FromCompletion(const Json& conversation, std::size_t prompt_messages,
                               const TextModel& model) {
  LATHE_ASSIGN_OR_RETURN(const EncodedChat chat,
                         model.EncodeCompletion(conversation, prompt_messages));
  Example example;
  example.tokens.assign(chat.ids.begin(), chat.ids.end());
  example.labels.assign(chat.ids.size(), kIgnoredLabel);
  for (std::size_t i = 0; i < chat.ids.size(); ++i) {
    if ((*chat.assistant_mask)[i] != 0) example.labels[i] = chat.ids[i];
  }
  return example;
}

Result<Pair> FromMessages(const Json& row, const TextModel& model) {
  Json chosen = row["chosen"];
  Json rejected = row.value("rejected", Json());
  if (!rejected.is_array()) return Bad("\"rejected\" must be a list of messages like \"chosen\"");
  std::size_t prompt_messages = 0;
  if (const Json prompt = row.value("prompt", Json()); prompt.is_array()) {
    if (chosen.empty()) return Bad("\"chosen\" is empty");
    if (rejected.empty()) return Bad("\"rejected\" is empty");
    prompt_messages = prompt.size();
    chosen.insert(chosen.begin(), prompt.begin(), prompt.end());
    rejected.insert(rejected.begin(), prompt.begin(), prompt.end());
  } else {
    const auto differ =
        std::mismatch(chosen.begin(), chosen.end(), rejected.begin(), rejected.end());
    prompt_messages = static_cast<std::size_t>(differ.first - chosen.begin());
  }
  if (prompt_messages == 0) {
    return Bad(
        "there is no prompt: \"chosen\" and \"rejected\" must begin with the same messages, "
        "or \"prompt\" must hold some");
  }
  // Other members of a row, such as tools, are for the chat template.
  Json conversation = row;
  for (const char* key : {"prompt", "chosen", "rejected"}) conversation.erase(key);
  Pair pair;
  conversation["messages"] = std::move(chosen);
  LATHE_ASSIGN_OR_RETURN(pair.chosen, FromCompletion(conversation, prompt_messages, model));
  conversation["messages"] = std::move(rejected);
  LATHE_ASSIGN_OR_RETURN(pair.rejected, FromCompletion(conversation, prompt_messages, model));
  return pair;
}

Result<Pair> FromIds(const Json& row) {
  LATHE_ASSIGN_OR_RETURN(const auto prompt, Integers(row, "prompt_ids"));
  const auto answer = [&](const char* key) -> Result<Example> {
    LATHE_ASSIGN_OR_RETURN(const auto ids, Integers(row, key));
    Example example{prompt, std::vector<std::int64_t>(prompt.size(), kIgnoredLabel)};
    example.tokens.insert(example.tokens.end(), ids.begin(), ids.end());
    example.labels.insert(example.labels.end(), ids.begin(), ids.end());
    return example;
  };
  Pair pair;
  LATHE_ASSIGN_OR_RETURN(pair.chosen, answer("chosen_ids"));
  LATHE_ASSIGN_OR_RETURN(pair.rejected, answer("rejected_ids"));
  return pair;
}

Result<Pair> Encode(const Json& row, const TextModel* model) {
  if (IsTokenizedPair(row)) return FromIds(row);
  LATHE_CHECK(model != nullptr, "rows of text come with a text model");
  if (const auto chosen = row.find("chosen"); chosen != row.end() && chosen->is_array()) {
    return FromMessages(row, *model);
  }
  return FromTexts(row, *model);
}

}  // namespace

bool IsTokenizedPair(const Json& row) {
  return row.is_object() && (row.contains("chosen_ids") || row.contains("rejected_ids"));
}

Result<Pair> EncodePair(const Json& row, std::int64_t vocabulary, const TextModel* text_model) {
  if (!row.is_object()) return Bad("must be a JSON object");
  LATHE_ASSIGN_OR_RETURN(Pair pair, Encode(row, text_model));
  if (pair.chosen.tokens == pair.rejected.tokens) {
    return Bad("\"chosen\" and \"rejected\" are the same");
  }
  for (const auto& [name, example] :
       {std::pair{"chosen", &pair.chosen}, {"rejected", &pair.rejected}}) {
    if (Status known = CheckVocabulary(*example, vocabulary); !known) {
      return Failure(known.error().WithContext(std::string("\"") + name + "\""));
    }
    if (CountTargets(*example) == 0) {
      return Bad(std::string("\"") + name + "\" has nothing behind the prompt to compare");
    }
    AnswersFromLabels(*example);
  }
  return pair;
}

}  // namespace lathe::trainer::data
