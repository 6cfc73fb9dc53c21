#include "worker/trainer/tokenizer/gguf_words.h"

#include <algorithm>

#include "worker/trainer/tokenizer/pre_tokenizer.h"

namespace lathe::trainer::tokenizer {
namespace {

constexpr std::string_view kDigit = R"(\p{N})";
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kUpToThreeDigits = R"(\p{N}{1,3})";
constexpr std::string_view kHanAndKana =
    R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr std::string_view kDeepSeekPattern =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
    R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

const std::vector<NamedPreTokenizer>& NamedPreTokenizers() {
  static const std::vector<NamedPreTokenizer> kTable = {
      {"gpt-2", {kGpt2Pattern}},
      {"default", {kGpt2Pattern}},
      {"smollm", {kDigit, kGpt2Pattern}},
      {"starcoder", {kDigit, kGpt2Pattern}},
      {"refact", {kDigit, kGpt2Pattern}},
      {"command-r", {kDigit, kGpt2Pattern}},
      {"llama-bpe", {kLlama3Pattern}, false, true},
      {"llama3", {kLlama3Pattern}, false, true},
      {"qwen2", {kQwen2Pattern}, true},
      {"deepseek-v3", {kUpToThreeDigits, kHanAndKana, kDeepSeekPattern}},
  };
  return kTable;
}

}  // namespace

Result<NamedPreTokenizer> PreTokenizerOf(const formats::Gguf& gguf) {
  const auto* given = gguf.FindAs<std::string_view>("tokenizer.ggml.pre");
  const std::string_view name = given == nullptr ? "default" : *given;
  std::string known;
  for (const NamedPreTokenizer& named : NamedPreTokenizers()) {
    if (named.name == name) return named;
    known += (known.empty() ? "" : ", ") + std::string(named.name);
  }
  return Failure(ErrorCode::kInvalidArgument, "tokenizer.ggml.pre \"" + std::string(name) +
                                                  "\" is not supported; " + known + " are");
}

std::optional<std::string_view> NameOfSplits(const std::vector<std::string>& patterns) {
  for (const NamedPreTokenizer& named : NamedPreTokenizers()) {
    if (std::equal(named.patterns.begin(), named.patterns.end(), patterns.begin(),
                   patterns.end())) {
      return named.name;
    }
  }
  return std::nullopt;
}

}  // namespace lathe::trainer::tokenizer
