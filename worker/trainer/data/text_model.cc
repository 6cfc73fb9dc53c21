#include "worker/trainer/data/text_model.h"

#include <nlohmann/json.hpp>

namespace lathe::trainer::data {
namespace {

using chat_template::ChatTemplate;
using chat_template::GenerationPrompt;
using chat_template::Rendered;
using chat_template::Span;
using tokenizer::ByteRange;
using Json = nlohmann::ordered_json;

/// Ranges and spans both go forwards, so one walk suffices.
std::vector<std::uint8_t> MaskOf(const std::vector<ByteRange>& ranges,
                                 const std::vector<Span>& spans) {
  std::vector<std::uint8_t> mask(ranges.size(), 0);
  std::size_t span = 0;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    while (span < spans.size() && spans[span].end <= ranges[i].begin) ++span;
    if (span == spans.size()) break;
    mask[i] = ranges[i].end > spans[span].begin && spans[span].end > spans[span].begin ? 1 : 0;
  }
  return mask;
}

}  // namespace

Result<TextModel> TextModel::Load(const std::filesystem::path& model, const ChatSettings& chat) {
  LATHE_ASSIGN_OR_RETURN(tokenizer::ModelTokenizer loaded, tokenizer::LoadModelTokenizer(model));
  return Create(std::move(loaded), chat);
}

Result<TextModel> TextModel::Create(tokenizer::ModelTokenizer model_tokenizer,
                                    const ChatSettings& chat) {
  TextModel made(std::move(model_tokenizer));
  const std::optional<std::string>& source =
      chat.chat_template ? chat.chat_template : made.model_.chat_template;
  if (source) {
    LATHE_ASSIGN_OR_RETURN(made.template_, ChatTemplate::Parse(*source));
  }
  made.settings_.bos_token = made.model_.bos_token;
  made.settings_.eos_token = made.model_.eos_token;
  made.settings_.tools = chat.tools;
  return made;
}

Result<const ChatTemplate*> TextModel::Template() const {
  if (template_) return &*template_;
  return Failure(ErrorCode::kInvalidArgument,
                 "the model has no chat template; set tokenizer.chatTemplate, or use data of the "
                 "format text or prompt_completion");
}

Result<EncodedChat> TextModel::EncodeChat(const Json& conversation) const {
  LATHE_ASSIGN_OR_RETURN(const ChatTemplate* chat, Template());
  LATHE_ASSIGN_OR_RETURN(
      Rendered plain,
      chat_template::RenderConversation(*chat, conversation, settings_, GenerationPrompt::kOmit));
  EncodedChat encoded;
  LATHE_ASSIGN_OR_RETURN(tokenizer::Encoding encoding,
                         model_.tokenizer.EncodeWithRanges(plain.text));
  const auto marked = chat_template::RenderWithAssistant(*chat, conversation, settings_);
  if (marked) {
    encoded.assistant_mask = MaskOf(encoding.ranges, marked->generated);
  } else {
    encoded.mask_problem = marked.error().message;
  }
  encoded.text = std::move(plain.text);
  encoded.ids = std::move(encoding.ids);
  return encoded;
}

Result<EncodedChat> TextModel::EncodeCompletion(const Json& conversation,
                                                std::size_t prompt_messages) const {
  LATHE_ASSIGN_OR_RETURN(EncodedChat encoded, EncodeChat(conversation));
  Json given = conversation;
  Json& messages = given["messages"];
  bool others_speak = false;
  for (std::size_t i = prompt_messages; i < messages.size(); ++i) {
    others_speak = others_speak || messages[i].value("role", "") != "assistant";
  }
  messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(prompt_messages), messages.end());
  LATHE_ASSIGN_OR_RETURN(const std::string prompt, RenderPrompt(given));
  if (!encoded.text.starts_with(prompt)) {
    return Failure(ErrorCode::kInvalidArgument,
                   "the chat template renders the prompt otherwise once an answer follows, so that "
                   "the answer cannot be told from it; give prompt, chosen and rejected as texts");
  }
  if (others_speak && !encoded.assistant_mask) {
    return Failure(ErrorCode::kInvalidArgument, encoded.mask_problem);
  }
  LATHE_ASSIGN_OR_RETURN(const tokenizer::Encoding encoding,
                         model_.tokenizer.EncodeWithRanges(encoded.text));
  std::vector<std::uint8_t> mask =
      MaskOf(encoding.ranges, {Span{prompt.size(), encoded.text.size()}});
  if (others_speak) {
    for (std::size_t i = 0; i < mask.size(); ++i) {
      mask[i] = static_cast<std::uint8_t>(mask[i] & (*encoded.assistant_mask)[i]);
    }
  }
  encoded.assistant_mask = std::move(mask);
  return encoded;
}

Result<std::string> TextModel::RenderPrompt(const Json& conversation) const {
  LATHE_ASSIGN_OR_RETURN(const ChatTemplate* chat, Template());
  LATHE_ASSIGN_OR_RETURN(
      Rendered rendered,
      chat_template::RenderConversation(*chat, conversation, settings_, GenerationPrompt::kAdd));
  return std::move(rendered.text);
}

Result<std::vector<std::int32_t>> TextModel::EncodePrompt(const Json& conversation) const {
  LATHE_ASSIGN_OR_RETURN(const std::string prompt, RenderPrompt(conversation));
  return model_.tokenizer.Encode(prompt);
}

}  // namespace lathe::trainer::data
