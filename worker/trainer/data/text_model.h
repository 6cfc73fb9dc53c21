#pragma once
// What a model does with text: its tokenizer and its chat template, loaded together, and
// conversations as tokens with the assistant's part marked. Immutable, thread-safe.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/chat_template/conversation.h"
#include "worker/trainer/tokenizer/load.h"

namespace lathe::trainer::data {

struct EncodedChat {
  std::string text;
  std::vector<std::int32_t> ids;
  /// As long as ids, 1 for each token with a byte that the assistant says; nullopt when the
  /// template rewrites earlier turns, so that nobody can tell (see chat_template/conversation.h).
  std::optional<std::vector<std::uint8_t>> assistant_mask;
  std::string mask_problem;  ///< why there is no mask
};

struct ChatSettings {
  std::optional<std::string> chat_template;  ///< replaces the model's own
  /// What templates see as `tools` when a conversation names none of its own.
  chat_template::Value tools = chat_template::None{};
};

class TextModel {
 public:
  /// `model` is a folder or .gguf file.
  static Result<TextModel> Load(const std::filesystem::path& model, const ChatSettings& chat);
  static Result<TextModel> Create(tokenizer::ModelTokenizer model_tokenizer,
                                  const ChatSettings& chat);

  const tokenizer::Tokenizer& tokenizer() const { return model_.tokenizer; }
  bool HasChatTemplate() const { return template_.has_value(); }

  /// `conversation` is {"messages": [...], "tools"?: ...}. kInvalidArgument also when the model has
  /// no chat template.
  Result<EncodedChat> EncodeChat(const nlohmann::ordered_json& conversation) const;
  /// A conversation whose first `prompt_messages` (1 or more) are given and whose others are what
  /// is to be said: the mask marks each token with a byte behind the rendered prompt (the beginning
  /// of the assistant's answer counts as prompt), and only what the assistant says where others
  /// speak there too. kInvalidArgument when the template renders the prompt otherwise once an
  /// answer follows.
  Result<EncodedChat> EncodeCompletion(const nlohmann::ordered_json& conversation,
                                       std::size_t prompt_messages) const;
  /// The conversation with the beginning of the assistant's answer, as it is given to `generate`.
  Result<std::vector<std::int32_t>> EncodePrompt(const nlohmann::ordered_json& conversation) const;

 private:
  explicit TextModel(tokenizer::ModelTokenizer model) : model_(std::move(model)) {}
  Result<const chat_template::ChatTemplate*> Template() const;
  Result<std::string> RenderPrompt(const nlohmann::ordered_json& conversation) const;

  tokenizer::ModelTokenizer model_;
  std::optional<chat_template::ChatTemplate> template_;
  chat_template::TemplateSettings settings_;
};

}  // namespace lathe::trainer::data
