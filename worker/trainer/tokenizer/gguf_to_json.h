#pragma once
// The tokenizer of a GGUF file as Hugging Face's files, for models that are saved as folders.

#include <string>

#include "common/base/result.h"
#include "worker/trainer/formats/gguf.h"

namespace lathe::trainer::tokenizer {

/// Contents of files.
struct TokenizerFiles {
  std::string tokenizer;  ///< tokenizer.json
  std::string config;     ///< tokenizer_config.json, with the chat template
};

/// kInvalidArgument for other tokenizers than byte-level BPE and SentencePiece's BPE.
Result<TokenizerFiles> TokenizerFilesOf(const formats::Gguf& gguf);

}  // namespace lathe::trainer::tokenizer
