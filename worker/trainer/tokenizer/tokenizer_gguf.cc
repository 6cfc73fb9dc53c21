// Makes a tokenizer out of a GGUF file's metadata (tokenizer.ggml.*): byte-level BPE ("gpt2") or
// SentencePiece's BPE ("llama").

#include <vector>

#include "worker/trainer/tokenizer/gguf_words.h"
#include "worker/trainer/tokenizer/sentencepiece.h"
#include "worker/trainer/tokenizer/tokenizer.h"

namespace lathe::trainer::tokenizer {
namespace {

using formats::Gguf;

Status ReadPreTokenizer(const Gguf& gguf, TokenizerParts& parts) {
  LATHE_ASSIGN_OR_RETURN(const NamedPreTokenizer named, PreTokenizerOf(gguf));
  for (const std::string_view pattern : named.patterns) {
    LATHE_ASSIGN_OR_RETURN(Regex regex, Regex::Compile(pattern));
    parts.pre_tokenizer.steps.push_back({std::move(regex), SplitBehavior::kIsolated, false});
  }
  if (named.nfc) parts.normalizer.emplace_back(NormalForm::kNfc);
  parts.model.ignore_merges = named.ignore_merges;
  return {};
}

Status ReadVocabulary(const Gguf& gguf, TokenizerParts& parts) {
  using Strings = std::vector<std::string_view>;
  const auto* tokens = gguf.FindAs<Strings>("tokenizer.ggml.tokens");
  const auto* merges = gguf.FindAs<Strings>("tokenizer.ggml.merges");
  const auto* types = gguf.FindAs<std::vector<std::int64_t>>("tokenizer.ggml.token_type");
  if (tokens == nullptr || merges == nullptr) {
    return Failure(ErrorCode::kDataLoss,
                   "tokenizer.ggml.tokens or tokenizer.ggml.merges is missing");
  }
  if (types != nullptr && types->size() != tokens->size()) {
    return Failure(ErrorCode::kDataLoss,
                   "tokenizer.ggml.token_type has another length than tokens");
  }
  parts.model.vocabulary.reserve(tokens->size());
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    parts.model.vocabulary.emplace((*tokens)[i], id);
    const std::int64_t type = types == nullptr ? 0 : (*types)[i];
    if (type != kControl && type != kUserDefined) continue;
    parts.added_tokens.push_back(
        {.content = std::string((*tokens)[i]), .id = id, .special = type == kControl});
  }
  parts.model.merges.reserve(merges->size());
  for (const std::string_view merge : *merges) {
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos) {
      return Failure(ErrorCode::kDataLoss, "merge \"" + std::string(merge) + "\" is no pair");
    }
    parts.model.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return {};
}

Result<std::optional<std::int32_t>> ReadId(const Gguf& gguf, const char* key, std::size_t tokens) {
  const auto* id = gguf.FindAs<std::int64_t>(key);
  if (id == nullptr) return std::nullopt;
  if (*id < 0 || static_cast<std::uint64_t>(*id) >= tokens) {
    return Failure(ErrorCode::kDataLoss,
                   std::string(key) + " " + std::to_string(*id) + " is no token");
  }
  return static_cast<std::int32_t>(*id);
}

Status ReadSpecialIds(const Gguf& gguf, TokenizerParts& parts) {
  const std::size_t tokens = parts.model.vocabulary.size();
  SpecialIds& ids = parts.special_ids;
  LATHE_ASSIGN_OR_RETURN(ids.bos, ReadId(gguf, "tokenizer.ggml.bos_token_id", tokens));
  LATHE_ASSIGN_OR_RETURN(ids.eos, ReadId(gguf, "tokenizer.ggml.eos_token_id", tokens));
  LATHE_ASSIGN_OR_RETURN(ids.pad, ReadId(gguf, "tokenizer.ggml.padding_token_id", tokens));
  LATHE_ASSIGN_OR_RETURN(const auto turn, ReadId(gguf, "tokenizer.ggml.eot_token_id", tokens));
  if (ids.eos) ids.stop.push_back(*ids.eos);
  if (turn && turn != ids.eos) ids.stop.push_back(*turn);
  const auto* add_bos = gguf.FindAs<bool>("tokenizer.ggml.add_bos_token");
  const auto* add_eos = gguf.FindAs<bool>("tokenizer.ggml.add_eos_token");
  const bool by_default = parts.model.ignore_merges ||  // Llama 3.
                          parts.model.spelling == Spelling::kCharacters;
  const bool adds_bos = add_bos != nullptr ? *add_bos : by_default;
  if (adds_bos && ids.bos) parts.prefix.push_back(*ids.bos);
  if (add_eos != nullptr && *add_eos && ids.eos) parts.suffix.push_back(*ids.eos);
  return {};
}

Result<TokenizerParts> ReadSentencePieceParts(const Gguf& gguf) {
  LATHE_ASSIGN_OR_RETURN(const SentencePieceModel model, ReadPieces(gguf));
  return PartsOf(model);
}

Result<TokenizerParts> ReadByteLevelParts(const Gguf& gguf) {
  TokenizerParts parts;
  LATHE_RETURN_IF_ERROR(ReadPreTokenizer(gguf, parts));
  LATHE_RETURN_IF_ERROR(ReadVocabulary(gguf, parts));
  return parts;
}

Result<TokenizerParts> ReadParts(const Gguf& gguf) {
  LATHE_ASSIGN_OR_RETURN(const std::string_view model, gguf.String("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama") {
    return Failure(ErrorCode::kInvalidArgument,
                   "tokenizer.ggml.model \"" + std::string(model) +
                       "\" is not supported; gpt2 (byte-level BPE) and llama (SentencePiece's "
                       "BPE) are");
  }
  LATHE_ASSIGN_OR_RETURN(TokenizerParts parts,
                         model == "gpt2" ? ReadByteLevelParts(gguf) : ReadSentencePieceParts(gguf));
  LATHE_RETURN_IF_ERROR(ReadSpecialIds(gguf, parts));
  return parts;
}

}  // namespace

Result<SentencePieceModel> ReadPieces(const Gguf& gguf) {
  const auto* tokens = gguf.FindAs<std::vector<std::string_view>>("tokenizer.ggml.tokens");
  const auto* scores = gguf.FindAs<std::vector<double>>("tokenizer.ggml.scores");
  const auto* types = gguf.FindAs<std::vector<std::int64_t>>("tokenizer.ggml.token_type");
  if (tokens == nullptr || scores == nullptr || types == nullptr) {
    return Failure(ErrorCode::kDataLoss,
                   "tokenizer.ggml.tokens, scores or token_type is missing or of another type");
  }
  if (scores->size() != tokens->size() || types->size() != tokens->size()) {
    return Failure(ErrorCode::kDataLoss,
                   "tokenizer.ggml.tokens, scores and token_type differ in length");
  }
  SentencePieceModel model;
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    model.pieces.push_back({std::string((*tokens)[i]), static_cast<float>((*scores)[i]),
                            static_cast<PieceType>((*types)[i])});
  }
  const auto* prefix = gguf.FindAs<bool>("tokenizer.ggml.add_space_prefix");
  model.add_space_prefix = prefix == nullptr || *prefix;
  const auto* removes = gguf.FindAs<bool>("tokenizer.ggml.remove_extra_whitespaces");
  if (removes != nullptr && *removes) {
    return Failure(ErrorCode::kInvalidArgument,
                   "tokenizer.ggml.remove_extra_whitespaces is not supported");
  }
  return model;
}

Result<Tokenizer> Tokenizer::FromGguf(const Gguf& gguf) {
  auto parts = ReadParts(gguf);
  if (!parts) return Failure(parts.error().WithContext(gguf.path().string()));
  auto made = Create(*std::move(parts));
  if (!made) return Failure(made.error().WithContext(gguf.path().string()));
  return made;
}

}  // namespace lathe::trainer::tokenizer
