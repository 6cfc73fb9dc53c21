#pragma once
// How byte-level BPE models cut text into words, by the names that GGUF files have for it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/gguf.h"

namespace lathe::trainer::tokenizer {

/// What the models behind a name of tokenizer.ggml.pre do.
struct NamedPreTokenizer {
  std::string_view name;
  std::vector<std::string_view> patterns;  ///< one split after the other
  bool nfc = false;
  bool ignore_merges = false;
};

/// What a file names; kInvalidArgument when it is not known.
Result<NamedPreTokenizer> PreTokenizerOf(const formats::Gguf& gguf);

/// The first name of what these splits do, one after the other; nullopt when there is none.
std::optional<std::string_view> NameOfSplits(const std::vector<std::string>& patterns);

/// Types of tokens in tokenizer.ggml.token_type.
enum TokenType : std::int64_t { kControl = 3, kUserDefined = 4 };

}  // namespace lathe::trainer::tokenizer
