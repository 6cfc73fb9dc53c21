#pragma once
// Conversations as text: what the chat template makes of {"messages": [...]}, and which bytes of it
// the assistant says. Pure functions.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "worker/trainer/chat_template/chat_template.h"

namespace lathe::trainer::chat_template {

/// What a template sees beside the conversation.
struct TemplateSettings {
  std::string bos_token;
  std::string eos_token;
  Value tools = None{};  ///< unless the conversation has its own
  Instant now{};         ///< for templates that show the date; fixed, so that runs repeat
};

enum class GenerationPrompt : std::uint8_t { kOmit, kAdd };

/// `conversation` is an object with `messages` (each an object with a string `role`); its other
/// members (`tools`, `documents`, ...) are variables of the template too. kInvalidArgument says
/// what is wrong with it, or what the template raised.
Result<Rendered> RenderConversation(const ChatTemplate& chat_template,
                                    const nlohmann::ordered_json& conversation,
                                    const TemplateSettings& settings, GenerationPrompt prompt);

/// The whole conversation with `generated` = what the assistant says: the template's own markers,
/// or, without them, what each assistant message adds to the rendering of the messages before it
/// with a generation prompt. kInvalidArgument when that is no true prefix (the template rewrites
/// earlier turns): then only a template with markers can tell.
Result<Rendered> RenderWithAssistant(const ChatTemplate& chat_template,
                                     const nlohmann::ordered_json& conversation,
                                     const TemplateSettings& settings);

}  // namespace lathe::trainer::chat_template
