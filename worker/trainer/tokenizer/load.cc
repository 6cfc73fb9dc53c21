#include "worker/trainer/tokenizer/load.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"

namespace lathe::trainer::tokenizer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// The JSON object in a file; an empty one when there is no such file.
Result<json> ReadOptionalJson(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return json::object();
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) {
    return Failure(ErrorCode::kDataLoss, path.string() + " holds no JSON object");
  }
  return parsed;
}

/// A token is spelled as a string, or as an object with its content.
std::string TokenText(const json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (found->is_object() && found->contains("content") && (*found)["content"].is_string()) {
    return (*found)["content"].get<std::string>();
  }
  return {};
}

/// A string, or a list of {name, template}: the one called default, else the first.
std::optional<std::string> TemplateIn(const json& config) {
  const auto found = config.find("chat_template");
  if (found == config.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return std::nullopt;
  std::optional<std::string> chosen;
  for (const json& entry : *found) {
    if (!entry.is_object() || !entry.contains("template") || !entry["template"].is_string())
      continue;
    const bool is_default = entry.value("name", json()) == json("default");
    if (is_default || !chosen) chosen = entry["template"].get<std::string>();
  }
  return chosen;
}

void AddStopIds(const json& generation_config, SpecialIds& ids) {
  if (ids.eos) ids.stop.push_back(*ids.eos);
  const auto found = generation_config.find("eos_token_id");
  if (found == generation_config.end()) return;
  const json list = found->is_array() ? *found : json::array({*found});
  for (const json& id : list) {
    if (!id.is_number_integer()) continue;
    const auto value = id.get<std::int32_t>();
    if (std::find(ids.stop.begin(), ids.stop.end(), value) == ids.stop.end()) {
      ids.stop.push_back(value);
    }
  }
}

bool FlagIn(const json& object, const char* key, bool fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

/// tokenizer_config.json's added_tokens_decoder: id -> token.
SentencePieceAdditions AdditionsIn(const json& config) {
  SentencePieceAdditions additions{.added_tokens = {},
                                   .add_bos = FlagIn(config, "add_bos_token", true),
                                   .add_eos = FlagIn(config, "add_eos_token", false)};
  const auto found = config.find("added_tokens_decoder");
  if (found == config.end() || !found->is_object()) return additions;
  for (const auto& [key, token] : found->items()) {
    std::int32_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || !token.is_object()) continue;
    const std::string content = TokenText({{"token", token}}, "token");
    if (content.empty()) continue;
    const bool special = FlagIn(token, "special", false);
    additions.added_tokens.push_back({.content = content,
                                      .id = id,
                                      .special = special,
                                      .normalized = FlagIn(token, "normalized", !special),
                                      .lstrip = FlagIn(token, "lstrip", false),
                                      .rstrip = FlagIn(token, "rstrip", false),
                                      .single_word = FlagIn(token, "single_word", false)});
  }
  return additions;
}

/// tokenizer.json when it is there, else SentencePiece's tokenizer.model.
Result<Tokenizer> TokenizerIn(const fs::path& folder, const json& config) {
  const fs::path model = folder / "tokenizer.model";
  std::error_code error;
  if (!fs::exists(folder / "tokenizer.json", error) && fs::exists(model, error)) {
    LATHE_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(model));
    return Tokenizer::FromSentencePiece(bytes, model.string(), AdditionsIn(config));
  }
  const fs::path path = folder / "tokenizer.json";
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return Tokenizer::FromJson(text, path.string());
}

Result<ModelTokenizer> LoadFolder(const fs::path& folder) {
  LATHE_ASSIGN_OR_RETURN(const json config, ReadOptionalJson(folder / "tokenizer_config.json"));
  LATHE_ASSIGN_OR_RETURN(Tokenizer tokenizer, TokenizerIn(folder, config));
  LATHE_ASSIGN_OR_RETURN(const json generation,
                         ReadOptionalJson(folder / "generation_config.json"));
  ModelTokenizer loaded{std::move(tokenizer), TemplateIn(config), TokenText(config, "bos_token"),
                        TokenText(config, "eos_token")};
  SpecialIds ids;
  ids.bos = loaded.tokenizer.IdOf(loaded.bos_token);
  ids.eos = loaded.tokenizer.IdOf(loaded.eos_token);
  ids.pad = loaded.tokenizer.IdOf(TokenText(config, "pad_token"));
  AddStopIds(generation, ids);
  loaded.tokenizer.SetSpecialIds(std::move(ids));
  const fs::path own_file = folder / "chat_template.jinja";
  std::error_code error;
  if (fs::exists(own_file, error)) {
    LATHE_ASSIGN_OR_RETURN(loaded.chat_template, ReadFile(own_file));
  }
  return loaded;
}

}  // namespace

Result<ModelTokenizer> LoadModelTokenizer(const formats::Gguf& gguf) {
  LATHE_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::FromGguf(gguf));
  ModelTokenizer loaded{std::move(tokenizer), std::nullopt, {}, {}};
  if (const auto* source = gguf.FindAs<std::string_view>("tokenizer.chat_template")) {
    loaded.chat_template = std::string(*source);
  }
  const SpecialIds& ids = loaded.tokenizer.special_ids();
  if (ids.bos) loaded.bos_token = loaded.tokenizer.BytesOf(*ids.bos);
  if (ids.eos) loaded.eos_token = loaded.tokenizer.BytesOf(*ids.eos);
  return loaded;
}

Result<ModelTokenizer> LoadModelTokenizer(const fs::path& model) {
  std::error_code error;
  if (fs::is_directory(model, error)) return LoadFolder(model);
  LATHE_ASSIGN_OR_RETURN(const formats::Gguf gguf, formats::Gguf::Open(model));
  return LoadModelTokenizer(gguf);
}

}  // namespace lathe::trainer::tokenizer
