#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/formats/json_file.h"
#include "worker/trainer/merge/gguf_vocabulary.h"
#include "worker/trainer/merge/writers.h"
#include "worker/trainer/tokenizer/gguf_words.h"

namespace lathe::trainer::merge {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// An empty object when there is no such file.
Result<Json> ReadOptional(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? formats::ReadJsonObject(path) : Json::object();
}

/// llama.cpp knows word patterns by the names of models. They are told by what the pre-tokenizer
/// does, spelled as its steps.
Result<std::string> PatternName(const Json& file) {
  const Json pre = file.value("pre_tokenizer", Json());
  const Json steps =
      pre.is_object() && pre.contains("pretokenizers") ? pre["pretokenizers"] : Json::array({pre});
  std::string signature;
  std::vector<std::string> splits;
  for (const Json& step : steps) {
    if (!step.is_object()) continue;
    signature += step.value("type", "") + " ";
    const Json pattern = step.value("pattern", Json::object());
    if (!pattern.is_object() || !pattern.contains("Regex")) continue;
    splits.push_back(pattern.value("Regex", ""));
    signature += splits.back() + " ";
  }
  // As they are written for GGUF's names.
  if (const auto name = tokenizer::NameOfSplits(splits)) return std::string(*name);
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

Result<Vocabulary> ReadVocabulary(const Json& tokenizer, std::int64_t size) {
  Vocabulary vocabulary(size);
  for (const auto& [token, id] : tokenizer["model"]["vocab"].items()) {
    LATHE_RETURN_IF_ERROR(vocabulary.Set(id.get<std::int64_t>(), token, PieceType::kNormal));
  }
  for (const Json& added : tokenizer.value("added_tokens", Json::array())) {
    const PieceType type =
        added.value("special", false) ? PieceType::kControl : PieceType::kUserDefined;
    LATHE_RETURN_IF_ERROR(vocabulary.Set(added.value("id", std::int64_t{-1}),
                                         added.value("content", std::string()), type));
  }
  return vocabulary;
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

Result<Notes> AddTokenizerJson(const Json& tokenizer, const Json& config,
                               const Vocabulary& vocabulary, formats::GgufMetadata& metadata) {
  const Json& model = tokenizer.at("model");
  if (model.value("type", "BPE") != "BPE") {
    return Failure(ErrorCode::kInvalidArgument,
                   "tokenizer.json is no BPE, which alone is exported");
  }
  if (model.value("byte_fallback", false)) {
    return AddPieces(tokenizer, config, vocabulary, metadata);
  }
  LATHE_RETURN_IF_ERROR(AddByteLevel(tokenizer, vocabulary, metadata));
  return Notes();
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

Result<Notes> AddTokenizer(const fs::path& folder, const model::ModelDescription& description,
                           formats::GgufMetadata& metadata) {
  std::error_code ignored;
  const bool has_json = fs::exists(folder / "tokenizer.json", ignored);
  if (!has_json && !fs::exists(folder / "tokenizer.model", ignored)) {
    metadata.SetText("tokenizer.ggml.model", "no_vocab");
    return Notes();
  }
  LATHE_ASSIGN_OR_RETURN(const Json config, ReadOptional(folder / "tokenizer_config.json"));
  try {
    Notes notes;
    Vocabulary vocabulary(0);
    if (has_json) {
      LATHE_ASSIGN_OR_RETURN(const Json tokenizer,
                             formats::ReadJsonObject(folder / "tokenizer.json"));
      LATHE_ASSIGN_OR_RETURN(vocabulary, ReadVocabulary(tokenizer, description.vocabulary));
      LATHE_ASSIGN_OR_RETURN(notes, AddTokenizerJson(tokenizer, config, vocabulary, metadata));
    } else {
      LATHE_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(folder / "tokenizer.model"));
      LATHE_ASSIGN_OR_RETURN(vocabulary,
                             AddSentencePiece(bytes, config, description.vocabulary, metadata));
    }
    SetSpecialIds(config, vocabulary, metadata);
    LATHE_RETURN_IF_ERROR(SetChatTemplate(folder, config, metadata));
    return notes;
  } catch (const Json::exception& error) {
    return Failure(ErrorCode::kInvalidArgument,
                   folder.string() + ": its tokenizer's files: " + error.what());
  }
}

}  // namespace lathe::trainer::merge
