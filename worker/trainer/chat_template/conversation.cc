#include "worker/trainer/chat_template/conversation.h"

#include <nlohmann/json.hpp>

#include "worker/trainer/chat_template/functions.h"

namespace lathe::trainer::chat_template {
namespace {

using Json = nlohmann::ordered_json;

Status CheckMessages(const Json& conversation) {
  if (!conversation.is_object() || !conversation.contains("messages") ||
      !conversation["messages"].is_array()) {
    return Bad("needs \"messages\", a list");
  }
  const Json& messages = conversation["messages"];
  if (messages.empty()) return Bad("\"messages\" is empty");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string place = "messages[" + std::to_string(i) + "]";
    if (!messages[i].is_object()) return Bad(place + " must be an object with role and content");
    const auto role = messages[i].find("role");
    if (role == messages[i].end() || !role->is_string()) {
      return Bad(place + ".role must be a string such as \"user\" or \"assistant\"");
    }
    if (!messages[i].contains("content") && !messages[i].contains("tool_calls")) {
      return Bad(place + " has no content");
    }
  }
  return {};
}

Dict ContextOf(const Json& conversation, const TemplateSettings& settings) {
  Dict context = {{"bos_token", settings.bos_token},
                  {"eos_token", settings.eos_token},
                  {"tools", settings.tools},
                  {"documents", None{}}};
  for (const auto& [key, member] : conversation.items()) SetKey(context, key, FromJson(member));
  return context;
}

/// Finds the assistant's spans by rendering the conversation up to and with each of its turns.
class PrefixSpans {
 public:
  PrefixSpans(const ChatTemplate& chat_template, Dict context, const TemplateSettings& settings)
      : template_(chat_template), context_(std::move(context)), settings_(settings) {
    messages_ = *FindKey(context_, "messages")->AsList();
  }

  Result<Rendered> Run() {
    LATHE_ASSIGN_OR_RETURN(Rendered whole, Render(messages_.size(), GenerationPrompt::kOmit));
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      const Value* role = FindKey(*messages_[i].AsDict(), "role");
      if (!Equal(*role, Value("assistant"))) continue;
      LATHE_ASSIGN_OR_RETURN(const Rendered before, Render(i, GenerationPrompt::kAdd));
      LATHE_ASSIGN_OR_RETURN(const Rendered with, Render(i + 1, GenerationPrompt::kOmit));
      if (!with.text.starts_with(before.text) || !whole.text.starts_with(with.text)) {
        return Bad(
            "the chat template renders earlier turns differently once later ones follow, so "
            "what the assistant says in messages[" +
            std::to_string(i) +
            "] cannot be told apart; give a chatTemplate with {% generation %} blocks, or "
            "conversations with one assistant turn");
      }
      whole.generated.push_back({before.text.size(), with.text.size()});
    }
    return whole;
  }

 private:
  Result<Rendered> Render(std::size_t count, GenerationPrompt prompt) {
    SetKey(context_, "messages",
           List(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(count)));
    SetKey(context_, "add_generation_prompt", prompt == GenerationPrompt::kAdd);
    return template_.Render(context_, settings_.now);
  }
  const ChatTemplate& template_;
  Dict context_;
  const TemplateSettings& settings_;
  List messages_;
};

}  // namespace

Result<Rendered> RenderConversation(const ChatTemplate& chat_template, const Json& conversation,
                                    const TemplateSettings& settings, GenerationPrompt prompt) {
  LATHE_RETURN_IF_ERROR(CheckMessages(conversation));
  Dict context = ContextOf(conversation, settings);
  SetKey(context, "add_generation_prompt", prompt == GenerationPrompt::kAdd);
  return chat_template.Render(context, settings.now);
}

Result<Rendered> RenderWithAssistant(const ChatTemplate& chat_template, const Json& conversation,
                                     const TemplateSettings& settings) {
  if (chat_template.MarksGeneration()) {
    return RenderConversation(chat_template, conversation, settings, GenerationPrompt::kOmit);
  }
  LATHE_RETURN_IF_ERROR(CheckMessages(conversation));
  return PrefixSpans(chat_template, ContextOf(conversation, settings), settings).Run();
}

}  // namespace lathe::trainer::chat_template
