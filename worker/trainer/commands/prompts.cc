#include "worker/trainer/commands/prompts.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/json/parse_json.h"

namespace lathe::trainer::commands {
namespace {

using Json = nlohmann::ordered_json;
constexpr char kBlank[] = " \t\r\n";

tl::unexpected<Error> Bad(const std::string& what) {
  return Failure(ErrorCode::kInvalidArgument, what);
}

/// Turns what is asked into tokens.
struct Encoder {
  const data::TextModel& model;
  bool raw = false;
  Speakers& speakers;

  Result<Prompt> operator()(std::string given) const;
};

Result<Prompt> Encoder::operator()(std::string given) const {
  LATHE_ASSIGN_OR_RETURN(Json json, ParseJson(given));
  const bool is_chat = json.is_object() && json.contains("messages");
  const bool is_text = json.is_object() && !is_chat && json.value("text", Json()).is_string();
  Prompt prompt;
  if ((is_chat || is_text) && json.contains("adapter")) {
    LATHE_ASSIGN_OR_RETURN(prompt.speaker, speakers.Find(json["adapter"]));
    json.erase("adapter");
  }
  if (is_text) given = json["text"].get<std::string>();
  std::vector<std::int32_t> ids;
  if (raw) {
    if (is_chat) return Bad("--raw continues texts, not chats");
    LATHE_ASSIGN_OR_RETURN(ids, model.tokenizer().Encode(given, tokenizer::SpecialTokens::kAdd));
  } else if (!model.HasChatTemplate()) {
    return Bad(
        "the model has no chat template: give one with --chat-template, or continue the text as "
        "it is with --raw");
  } else {
    const Json message = {{"role", "user"}, {"content", given}};
    const Json chat = is_chat ? json : Json{{"messages", Json::array({message})}};
    LATHE_ASSIGN_OR_RETURN(ids, model.EncodePrompt(chat));
  }
  if (ids.empty()) return Bad("the prompt has no token");
  prompt.tokens.assign(ids.begin(), ids.end());
  return prompt;
}

}  // namespace

Result<std::vector<Prompt>> ReadPrompts(const GenerateArguments& arguments,
                                        const data::TextModel& model, std::istream& in,
                                        Speakers& speakers) {
  const Encoder encode{model, arguments.raw, speakers};
  std::vector<Prompt> prompts;
  if (!arguments.prompts) {
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (text.find_first_not_of(kBlank) == std::string::npos) {
      return Bad("standard input is empty: give a chat as JSON, or plain text");
    }
    text.erase(text.find_last_not_of("\r\n") + 1);  // What `echo` adds is not meant.
    LATHE_ASSIGN_OR_RETURN(Prompt prompt, encode(std::move(text)));
    return std::vector<Prompt>{std::move(prompt)};
  }
  std::ifstream file(*arguments.prompts);
  if (!file) {
    return Failure(ErrorCode::kNotFound, "cannot read prompts from " + arguments.prompts->string());
  }
  std::int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find_first_not_of(kBlank) == std::string::npos) continue;
    line.erase(line.find_last_not_of('\r') + 1);
    if (const auto json = ParseJson(line); json && json->is_string()) {
      line = json->get<std::string>();
    }
    auto prompt = encode(std::move(line));
    if (!prompt) {
      return Failure(
          prompt.error().WithContext(arguments.prompts->string() + ":" + std::to_string(number)));
    }
    prompts.push_back(*std::move(prompt));
  }
  if (prompts.empty()) return Bad(arguments.prompts->string() + " has no prompt");
  return prompts;
}

}  // namespace lathe::trainer::commands
