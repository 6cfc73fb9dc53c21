#include "worker/trainer/tokenizer/gguf_to_json.h"

#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "worker/trainer/tokenizer/gguf_words.h"
#include "worker/trainer/tokenizer/sentencepiece.h"

namespace lathe::trainer::tokenizer {
namespace {

using formats::Gguf;
using Json = nlohmann::ordered_json;
using Strings = std::vector<std::string_view>;

/// SentencePiece's space.
constexpr char kMark[] = "\xE2\x96\x81";

Json ByteLevel(bool trim_offsets) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", trim_offsets},
          {"use_regex", false}};
}

Json PreTokenizerJson(const NamedPreTokenizer& named) {
  Json steps = Json::array();
  for (const std::string_view pattern : named.patterns) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back(ByteLevel(false));
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

/// Adds the beginning-of-text token where the file says that texts get one.
Json PostProcessorJson(const std::optional<std::string>& first, std::int64_t id) {
  if (!first) return ByteLevel(false);
  const auto special = [&](int type) {
    return Json{{"SpecialToken", {{"id", *first}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  return {{"type", "TemplateProcessing"},
          {"single", {special(0), sequence("A", 0)}},
          {"pair", {special(0), sequence("A", 0), special(1), sequence("B", 1)}},
          {"special_tokens", {{*first, {{"id", *first}, {"ids", {id}}, {"tokens", {*first}}}}}}};
}

/// The text of the token whose id a key holds.
std::optional<std::string> TokenAt(const Gguf& gguf, const Strings& tokens, const char* key) {
  const auto* id = gguf.FindAs<std::int64_t>(key);
  if (id == nullptr || *id < 0 || static_cast<std::size_t>(*id) >= tokens.size()) {
    return std::nullopt;
  }
  return std::string(tokens[static_cast<std::size_t>(*id)]);
}

Json AddedTokens(const Gguf& gguf, const Strings& tokens) {
  Json added = Json::array();
  const auto* types = gguf.FindAs<std::vector<std::int64_t>>("tokenizer.ggml.token_type");
  if (types == nullptr) return added;
  for (std::size_t i = 0; i < std::min(types->size(), tokens.size()); ++i) {
    if ((*types)[i] != kControl && (*types)[i] != kUserDefined) continue;
    added.push_back({{"id", i},
                     {"content", tokens[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", (*types)[i] == kControl}});
  }
  return added;
}

/// Tokens and their ids, of equal tokens the last one's. Looked up beside the object: its own
/// search goes through all keys, and a vocabulary of 128k tokens would take as long as loading the
/// model.
Json VocabularyJson(const Strings& tokens) {
  Json::object_t vocabulary;
  vocabulary.reserve(tokens.size());
  std::unordered_map<std::string_view, std::size_t> places;
  places.reserve(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto [place, added] = places.emplace(tokens[i], vocabulary.size());
    if (added) {
      vocabulary.emplace_back(std::string(tokens[i]), i);
    } else {
      std::next(vocabulary.begin(), static_cast<std::ptrdiff_t>(place->second))->second = i;
    }
  }
  return vocabulary;
}

Result<Json> ModelJson(const Strings& tokens, const Strings& merges, bool ignore_merges) {
  Json pairs = Json::array();
  for (const std::string_view merge : merges) {
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos) {
      return Failure(ErrorCode::kDataLoss, "merge \"" + std::string(merge) + "\" is no pair");
    }
    pairs.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  return Json{{"type", "BPE"},
              {"dropout", nullptr},
              {"unk_token", nullptr},
              {"continuing_subword_prefix", nullptr},
              {"end_of_word_suffix", nullptr},
              {"fuse_unk", false},
              {"byte_fallback", false},
              {"ignore_merges", ignore_merges},
              {"vocab", VocabularyJson(tokens)},
              {"merges", std::move(pairs)}};
}

Json ConfigJson(const Gguf& gguf, const Strings& tokens) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false}};
  for (const auto& [name, key] : {std::pair{"bos_token", "tokenizer.ggml.bos_token_id"},
                                  {"eos_token", "tokenizer.ggml.eos_token_id"},
                                  {"pad_token", "tokenizer.ggml.padding_token_id"}}) {
    if (const auto token = TokenAt(gguf, tokens, key)) config[name] = *token;
  }
  if (const auto* source = gguf.FindAs<std::string_view>("tokenizer.chat_template")) {
    config["chat_template"] = *source;
  }
  return config;
}

/// Where texts get the beginning-of-text token before them, its text and id.
struct FirstToken {
  std::optional<std::string> text;
  std::int64_t id = 0;
};
FirstToken FirstTokenOf(const Gguf& gguf, const Strings& tokens, bool by_default) {
  constexpr char kKey[] = "tokenizer.ggml.bos_token_id";
  const auto* add = gguf.FindAs<bool>("tokenizer.ggml.add_bos_token");
  if (!(add != nullptr ? *add : by_default)) return {};
  FirstToken first{TokenAt(gguf, tokens, kKey), 0};
  if (first.text) first.id = *gguf.FindAs<std::int64_t>(kKey);
  return first;
}

Result<Json> ByteLevelJson(const Gguf& gguf, const Strings& tokens) {
  const auto* merges = gguf.FindAs<Strings>("tokenizer.ggml.merges");
  if (merges == nullptr) {
    return Failure(ErrorCode::kDataLoss, "tokenizer.ggml.merges is missing");
  }
  LATHE_ASSIGN_OR_RETURN(const NamedPreTokenizer named, PreTokenizerOf(gguf));
  LATHE_ASSIGN_OR_RETURN(Json bpe, ModelJson(tokens, *merges, named.ignore_merges));
  const FirstToken first = FirstTokenOf(gguf, tokens, named.ignore_merges);
  return Json{{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", AddedTokens(gguf, tokens)},
              {"normalizer", named.nfc ? Json{{"type", "NFC"}} : Json()},
              {"pre_tokenizer", PreTokenizerJson(named)},
              {"post_processor", PostProcessorJson(first.text, first.id)},
              {"decoder", ByteLevel(true)},
              {"model", std::move(bpe)}};
}

Json MarkJson(const char* pattern, const char* content) {
  return {{"type", "Replace"}, {"pattern", {{"String", pattern}}}, {"content", content}};
}

Json PiecesNormalizer(bool add_space_prefix) {
  const Json replace = MarkJson(" ", kMark);
  if (!add_space_prefix) return replace;
  return {{"type", "Sequence"},
          {"normalizers", Json::array({Json{{"type", "Prepend"}, {"prepend", kMark}}, replace})}};
}

Json PiecesDecoder(bool add_space_prefix) {
  Json steps =
      Json::array({MarkJson(kMark, " "), Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}});
  if (add_space_prefix) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
}

/// SentencePiece's scores as the merges that they amount to.
Result<Json> PiecesJson(const Gguf& gguf, const Strings& tokens) {
  LATHE_ASSIGN_OR_RETURN(const SentencePieceModel pieces, ReadPieces(gguf));
  LATHE_ASSIGN_OR_RETURN(const TokenizerParts parts, PartsOf(pieces));
  Json merges = Json::array();
  for (const auto& [left, right] : parts.model.merges) merges.push_back({left, right});
  Json added = Json::array();
  for (const AddedToken& token : parts.added_tokens) {
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", token.special}});
  }
  const auto& unknown = parts.model.unknown;
  const FirstToken first = FirstTokenOf(gguf, tokens, true);
  return Json{{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", std::move(added)},
              {"normalizer", PiecesNormalizer(pieces.add_space_prefix)},
              {"pre_tokenizer", nullptr},
              {"post_processor", first.text ? PostProcessorJson(first.text, first.id) : Json()},
              {"decoder", PiecesDecoder(pieces.add_space_prefix)},
              {"model",
               {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", unknown ? Json(tokens[static_cast<std::size_t>(*unknown)]) : Json()},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"fuse_unk", true},
                {"byte_fallback", parts.model.byte_fallback},
                {"ignore_merges", false},
                {"vocab", VocabularyJson(tokens)},
                {"merges", std::move(merges)}}}};
}

Result<TokenizerFiles> Make(const Gguf& gguf) {
  LATHE_ASSIGN_OR_RETURN(const std::string_view model, gguf.String("tokenizer.ggml.model"));
  const auto* tokens = gguf.FindAs<Strings>("tokenizer.ggml.tokens");
  if ((model != "gpt2" && model != "llama") || tokens == nullptr) {
    return Failure(ErrorCode::kInvalidArgument,
                   "tokenizer.ggml.model is \"" + std::string(model) +
                       "\": tokenizer.json can be made of byte-level BPE (gpt2) and "
                       "SentencePiece's BPE (llama) only; use the model's Hugging Face folder "
                       "instead");
  }
  LATHE_ASSIGN_OR_RETURN(
      const Json json, model == "gpt2" ? ByteLevelJson(gguf, *tokens) : PiecesJson(gguf, *tokens));
  return TokenizerFiles{json.dump() + "\n", ConfigJson(gguf, *tokens).dump(2) + "\n"};
}

}  // namespace

Result<TokenizerFiles> TokenizerFilesOf(const Gguf& gguf) {
  try {
    auto files = Make(gguf);
    if (!files) return Failure(files.error().WithContext(gguf.path().string()));
    return files;
  } catch (const Json::exception& error) {  // Texts that are not UTF-8.
    return Failure(ErrorCode::kInvalidArgument, gguf.path().string() + ": " + error.what());
  }
}

}  // namespace lathe::trainer::tokenizer
