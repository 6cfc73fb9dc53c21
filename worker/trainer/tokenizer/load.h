#pragma once
// Finds a model's tokenizer and chat template: in a Hugging Face folder (tokenizer.json or, without
// one, tokenizer.model; tokenizer_config.json, chat_template.jinja, generation_config.json) or in a
// GGUF file.

#include <filesystem>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "worker/trainer/tokenizer/tokenizer.h"

namespace lathe::trainer::tokenizer {

struct ModelTokenizer {
  Tokenizer tokenizer;
  std::optional<std::string> chat_template;  ///< Jinja source, when the model has one
  std::string bos_token;                     ///< what templates see; empty when there is none
  std::string eos_token;
};

/// `model` is a folder or a .gguf file. Errors name the file.
Result<ModelTokenizer> LoadModelTokenizer(const std::filesystem::path& model);
/// The same from a GGUF file that is open already.
Result<ModelTokenizer> LoadModelTokenizer(const formats::Gguf& gguf);

}  // namespace lathe::trainer::tokenizer
