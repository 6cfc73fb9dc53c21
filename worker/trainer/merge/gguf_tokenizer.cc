#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/base/file_io.h"
#include "worker/trainer/merge/writers.h"

namespace lathe::trainer::merge {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

enum TokenType : std::int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

Result<Json> ReadObject(const fs::path& path) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Json json = Json::parse(text, nullptr, false);
  if (json.is_object()) return json;
  return Failure(ErrorCode::kInvalidArgument, path.string() + ": not a JSON object");
}

/// An empty object when there is no such file.
Result<Json> ReadOptional(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? ReadObject(path) : Json::object();
}

/// llama.cpp knows word patterns by the names of models. They are told by what the pre-tokenizer
/// does, spelled as its steps.
Result<std::string> PatternName(const Json& tokenizer) {
  const Json pre = tokenizer.value("pre_tokenizer", Json());
  const Json steps =
      pre.is_object() && pre.contains("pretokenizers") ? pre["pretokenizers"] : Json::array({pre});
  std::string signature;
  for (const Json& step : steps) {
    if (!step.is_object()) continue;
    signature += step.value("type", "") + " ";
    const Json pattern = step.value("pattern", Json::object());
    if (pattern.is_object()) signature += pattern.value("Regex", "") + " ";
  }
  const auto has = [&](const char* text) { return signature.find(text) != std::string::npos; };
  if (signature == "Digits ByteLevel ") return "smollm";
  if (signature == "ByteLevel ") return "gpt-2";
  if (has("Split") && has("ByteLevel") && has(R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)")) {
    return "llama-bpe";
  }
  if (has("Split") && has("ByteLevel") && has(R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)")) {
    return "qwen2";
  }
  return Failure(ErrorCode::kInvalidArgument, "tokenizer.json: the pre-tokenizer (" + signature +
                                                  ") has no name in GGUF that this program knows");
}

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;

  Status Set(std::int64_t id, std::string token, TokenType type) {
    if (id < 0 || static_cast<std::uint64_t>(id) >= tokens.size()) {
      return Failure(ErrorCode::kInvalidArgument, "tokenizer.json: token " + std::to_string(id) +
                                                      " is outside the model's vocabulary of " +
                                                      std::to_string(tokens.size()));
    }
    tokens[static_cast<std::size_t>(id)] = std::move(token);
    types[static_cast<std::size_t>(id)] = type;
    return {};
  }
};

Result<Vocabulary> ReadVocabulary(const Json& tokenizer, std::int64_t size) {
  Vocabulary vocabulary;
  for (std::int64_t id = 0; id < size; ++id) {  // What nothing names is padding.
    vocabulary.tokens.push_back("[PAD" + std::to_string(id) + "]");
    vocabulary.types.push_back(kUnused);
  }
  for (const auto& [token, id] : tokenizer["model"]["vocab"].items()) {
    LATHE_RETURN_IF_ERROR(vocabulary.Set(id.get<std::int64_t>(), token, kNormal));
  }
  for (const Json& added : tokenizer.value("added_tokens", Json::array())) {
    const TokenType type = added.value("special", false) ? kControl : kUserDefined;
    LATHE_RETURN_IF_ERROR(vocabulary.Set(added.value("id", std::int64_t{-1}),
                                         added.value("content", std::string()), type));
  }
  return vocabulary;
}

/// Either spelling of merges: "a b", or a list of two.
std::vector<std::string> ReadMerges(const Json& merges) {
  std::vector<std::string> list;
  for (const Json& merge : merges) {
    list.push_back(merge.is_array()
                       ? merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>()
                       : merge.get<std::string>());
  }
  return list;
}

bool IsByte(const std::string& token) {
  return token.size() == 6 && token.starts_with("<0x") && token.back() == '>';
}

/// What SentencePiece would have learned: a piece made by an earlier merge has a larger score.
/// Pieces that no merge makes are single characters, or never come up.
std::vector<float> ScoresOf(const std::vector<std::string>& merges, const Vocabulary& vocabulary) {
  std::map<std::string, std::size_t> ranks;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    std::string made = merges[i];
    const std::size_t space = made.find(' ', 1);
    if (space != std::string::npos) made.erase(space, 1);
    ranks.try_emplace(std::move(made), i);
  }
  std::vector<float> scores;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const auto rank = ranks.find(vocabulary.tokens[id]);
    const bool merged = rank != ranks.end() && vocabulary.types[id] == kNormal;
    // Exact in fp32 up to 16 million merges.
    scores.push_back(merged ? -static_cast<float>(rank->second) : -1e9F);
  }
  return scores;
}

/// Whether texts get a mark before them; nullopt when the file does more or less to them than
/// turning spaces into marks.
std::optional<bool> AddsSpacePrefix(const Json& tokenizer) {
  const Json normalizer = tokenizer.value("normalizer", Json());
  const Json pre = tokenizer.value("pre_tokenizer", Json());
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  const Json prepend = {{"type", "Prepend"}, {"prepend", "\u2581"}};
  if (normalizer == replace) {
    // A split at spaces, of which none is left.
    const bool plain = pre.is_null() || (pre.is_object() && pre.value("type", "") == "Split" &&
                                         pre.value("pattern", Json()) == Json{{"String", " "}});
    return plain ? std::optional(false) : std::nullopt;
  }
  if (!pre.is_null() || !normalizer.is_object()) return std::nullopt;
  if (normalizer.value("normalizers", Json()) == Json::array({prepend, replace})) return true;
  return std::nullopt;
}

/// SentencePiece's BPE, which GGUF calls llama.
Status AddPieces(const Json& tokenizer, Vocabulary vocabulary, formats::GgufMetadata& metadata) {
  const auto prefix = AddsSpacePrefix(tokenizer);
  if (!prefix) {
    return Failure(ErrorCode::kInvalidArgument,
                   "tokenizer.json: its normalizer and pre-tokenizer are not those of "
                   "SentencePiece, so that it has no spelling in GGUF");
  }
  const Json& model = tokenizer.at("model");
  const auto merges = ReadMerges(model.at("merges"));
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    std::int32_t& type = vocabulary.types[id];
    if (IsByte(vocabulary.tokens[id])) type = kByte;
    if (Json(vocabulary.tokens[id]) == model.value("unk_token", Json())) type = kUnknown;
  }
  const std::vector<float> scores = ScoresOf(merges, vocabulary);
  metadata.SetText("tokenizer.ggml.model", "llama");
  metadata.SetText("tokenizer.ggml.pre", "default");
  metadata.SetTexts("tokenizer.ggml.tokens", vocabulary.tokens);
  metadata.SetNumbers("tokenizer.ggml.scores", scores);
  metadata.SetIntegers("tokenizer.ggml.token_type", vocabulary.types);
  metadata.SetFlag("tokenizer.ggml.add_space_prefix", *prefix);
  return {};
}

Status AddByteLevel(const Json& tokenizer, const Vocabulary& vocabulary,
                    formats::GgufMetadata& metadata) {
  LATHE_ASSIGN_OR_RETURN(const std::string pattern, PatternName(tokenizer));
  metadata.SetText("tokenizer.ggml.model", "gpt2");
  metadata.SetText("tokenizer.ggml.pre", pattern);
  metadata.SetTexts("tokenizer.ggml.tokens", vocabulary.tokens);
  metadata.SetIntegers("tokenizer.ggml.token_type", vocabulary.types);
  metadata.SetTexts("tokenizer.ggml.merges", ReadMerges(tokenizer.at("model").at("merges")));
  return {};
}

/// tokenizer_config.json names a token by its text or as an object.
std::string TokenText(const Json& config, const char* key) {
  const Json value = config.value(key, Json());
  if (value.is_object()) return value.value("content", std::string());
  return value.is_string() ? value.get<std::string>() : std::string();
}

void SetSpecialIds(const Json& config, const Vocabulary& vocabulary,
                   formats::GgufMetadata& metadata) {
  const std::pair<const char*, const char*> kIds[] = {{"bos_token", "bos_token_id"},
                                                      {"eos_token", "eos_token_id"},
                                                      {"pad_token", "padding_token_id"},
                                                      {"unk_token", "unknown_token_id"}};
  for (const auto& [key, name] : kIds) {
    const std::string text = TokenText(config, key);
    const auto found = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), text);
    if (text.empty() || found == vocabulary.tokens.end()) continue;
    metadata.SetInteger(std::string("tokenizer.ggml.") + name,
                        static_cast<std::uint32_t>(found - vocabulary.tokens.begin()));
  }
  const Json add_bos = config.value("add_bos_token", Json());
  if (add_bos.is_boolean()) metadata.SetFlag("tokenizer.ggml.add_bos_token", add_bos.get<bool>());
}

Status SetChatTemplate(const fs::path& folder, const Json& config,
                       formats::GgufMetadata& metadata) {
  std::error_code ignored;
  const fs::path file = folder / "chat_template.jinja";
  if (fs::exists(file, ignored)) {
    LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
    metadata.SetText("tokenizer.chat_template", text);
  } else if (const Json text = config.value("chat_template", Json()); text.is_string()) {
    metadata.SetText("tokenizer.chat_template", text.get<std::string>());
  }
  return {};
}

}  // namespace

Status AddTokenizer(const fs::path& folder, const model::ModelDescription& description,
                    formats::GgufMetadata& metadata) {
  std::error_code ignored;
  if (!fs::exists(folder / "tokenizer.json", ignored)) {
    if (fs::exists(folder / "tokenizer.model", ignored)) {
      return Failure(ErrorCode::kInvalidArgument,
                     folder.string() +
                         ": a tokenizer.model without a tokenizer.json is not exported to GGUF; "
                         "let transformers make the latter, or merge into a folder and use "
                         "llama.cpp's own converter");
    }
    metadata.SetText("tokenizer.ggml.model", "no_vocab");
    return {};
  }
  LATHE_ASSIGN_OR_RETURN(const Json tokenizer, ReadObject(folder / "tokenizer.json"));
  LATHE_ASSIGN_OR_RETURN(const Json config, ReadOptional(folder / "tokenizer_config.json"));
  try {
    const Json& model = tokenizer.at("model");
    if (model.value("type", "BPE") != "BPE") {
      return Failure(ErrorCode::kInvalidArgument,
                     folder.string() + ": tokenizer.json is no BPE, which alone is exported");
    }
    LATHE_ASSIGN_OR_RETURN(const Vocabulary vocabulary,
                           ReadVocabulary(tokenizer, description.vocabulary));
    const bool pieces = model.value("byte_fallback", false);
    LATHE_RETURN_IF_ERROR(pieces ? AddPieces(tokenizer, vocabulary, metadata)
                                 : AddByteLevel(tokenizer, vocabulary, metadata));
    SetSpecialIds(config, vocabulary, metadata);
    return SetChatTemplate(folder, config, metadata);
  } catch (const Json::exception& error) {
    return Failure(ErrorCode::kInvalidArgument,
                   (folder / "tokenizer.json").string() + ": " + error.what());
  }
}

}  // namespace lathe::trainer::merge
