#include <algorithm>
#include <map>
#include <optional>

#include "worker/trainer/merge/gguf_vocabulary.h"

namespace lathe::trainer::merge {
namespace {

using Json = nlohmann::json;

constexpr char kMark[] = "\u2581";

std::int32_t TypeOf(PieceType type) {
  return static_cast<std::int32_t>(type);
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
    const bool merged = rank != ranks.end() && vocabulary.types[id] == TypeOf(PieceType::kNormal);
    // Exact in fp32 up to 16 million merges.
    scores.push_back(merged ? -static_cast<float>(rank->second) : -1e9F);
  }
  return scores;
}

/// How spaces become marks.
struct Spaces {
  bool prefix = false;  ///< texts get a mark before them
  Notes notes;          ///< where llama.cpp does it otherwise
};

/// Whether some piece has a mark elsewhere than at its beginning, so that it reaches over two
/// words.
bool HasPieceOverWords(const Vocabulary& vocabulary) {
  return std::any_of(vocabulary.tokens.begin(), vocabulary.tokens.end(), [](const auto& token) {
    return token.find(kMark, 1) != std::string::npos && token.front() != '<';
  });
}

/// The newer form. llama.cpp puts a mark before every text between special tokens, or before none.
std::optional<Spaces> OfMetaspace(const Json& pre, const Json& config,
                                  const Vocabulary& vocabulary) {
  if (pre.value("replacement", "") != kMark) return std::nullopt;
  if (pre.value("split", true) && HasPieceOverWords(vocabulary)) return std::nullopt;
  const bool by_flag = pre.value("add_prefix_space", true);
  const std::string scheme = pre.value("prepend_scheme", by_flag ? "always" : "never");
  if (scheme == "never") return Spaces{};
  if (scheme == "always") {
    return Spaces{true, {"texts that begin with a space get one more from llama.cpp"}};
  }
  if (scheme != "first") return std::nullopt;
  const Json given = config.value("add_prefix_space", Json());
  if (given.is_boolean() && !given.get<bool>()) {
    return Spaces{false, {"texts get no space before them from llama.cpp, also at the beginning"}};
  }
  return Spaces{true,
                {"llama.cpp puts a space before every text that follows a special token, this "
                 "tokenizer before the first text alone; \"add_prefix_space\": false in "
                 "tokenizer_config.json makes it put none"}};
}

/// nullopt when the file does more or less to texts than turning spaces into marks.
std::optional<Spaces> ReadSpaces(const Json& tokenizer, const Json& config,
                                 const Vocabulary& vocabulary) {
  const Json normalizer = tokenizer.value("normalizer", Json());
  const Json pre = tokenizer.value("pre_tokenizer", Json());
  const std::string type = pre.is_object() ? pre.value("type", "") : "";
  if (type == "Metaspace" && normalizer.is_null()) return OfMetaspace(pre, config, vocabulary);
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kMark}};
  const Json prepend = {{"type", "Prepend"}, {"prepend", kMark}};
  if (normalizer == replace) {
    // A split at spaces, of which none is left.
    const bool plain =
        pre.is_null() || (type == "Split" && pre.value("pattern", Json()) == Json{{"String", " "}});
    return plain ? std::optional(Spaces{}) : std::nullopt;
  }
  if (!pre.is_null() || !normalizer.is_object()) return std::nullopt;
  if (normalizer.value("normalizers", Json()) != Json::array({prepend, replace})) {
    return std::nullopt;
  }
  return Spaces{true, {}};
}

void SetPieces(const Vocabulary& vocabulary, const std::vector<float>& scores, bool prefix,
               formats::GgufMetadata& metadata) {
  metadata.SetText("tokenizer.ggml.model", "llama");
  metadata.SetText("tokenizer.ggml.pre", "default");
  metadata.SetTexts("tokenizer.ggml.tokens", vocabulary.tokens);
  metadata.SetNumbers("tokenizer.ggml.scores", scores);
  metadata.SetIntegers("tokenizer.ggml.token_type", vocabulary.types);
  metadata.SetFlag("tokenizer.ggml.add_space_prefix", prefix);
}

/// What tokenizer_config.json adds to a tokenizer.model, or says otherwise of its pieces.
Status SetAdded(const Json& config, Vocabulary& vocabulary) {
  const Json added = config.value("added_tokens_decoder", Json::object());
  for (const auto& [id, token] : added.items()) {
    const std::string text = token.value("content", std::string());
    if (text.empty() || id.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::int64_t at = std::stoll(id.substr(0, 12));
    const bool known = at < static_cast<std::int64_t>(vocabulary.types.size());
    // What stands for the unknown stays that.
    if (known && vocabulary.types[static_cast<std::size_t>(at)] == TypeOf(PieceType::kUnknown)) {
      continue;
    }
    const PieceType type =
        token.value("special", false) ? PieceType::kControl : PieceType::kUserDefined;
    LATHE_RETURN_IF_ERROR(vocabulary.Set(at, text, type));
  }
  return {};
}

}  // namespace

Result<Notes> AddPieces(const Json& tokenizer, const Json& config, Vocabulary vocabulary,
                        formats::GgufMetadata& metadata) {
  auto spaces = ReadSpaces(tokenizer, config, vocabulary);
  if (!spaces) {
    return Failure(ErrorCode::kInvalidArgument,
                   "tokenizer.json: its normalizer and pre-tokenizer are not those of "
                   "SentencePiece, so that it has no spelling in GGUF");
  }
  const Json& model = tokenizer.at("model");
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    std::int32_t& type = vocabulary.types[id];
    if (IsByte(vocabulary.tokens[id])) type = TypeOf(PieceType::kByte);
    if (Json(vocabulary.tokens[id]) == model.value("unk_token", Json())) {
      type = TypeOf(PieceType::kUnknown);
    }
  }
  const auto scores = ScoresOf(ReadMerges(model.at("merges")), vocabulary);
  SetPieces(vocabulary, scores, spaces->prefix, metadata);
  return std::move(spaces->notes);
}

Result<Vocabulary> AddSentencePiece(const std::string& bytes, const Json& config, std::int64_t size,
                                    formats::GgufMetadata& metadata) {
  LATHE_ASSIGN_OR_RETURN(const auto model, tokenizer::ReadSentencePieceModel(bytes));
  Vocabulary vocabulary(size);
  std::vector<float> scores(vocabulary.tokens.size(), -1e9F);
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const tokenizer::Piece& piece = model.pieces[id];
    LATHE_RETURN_IF_ERROR(vocabulary.Set(static_cast<std::int64_t>(id), piece.text, piece.type));
    scores[id] = piece.score;
  }
  LATHE_RETURN_IF_ERROR(SetAdded(config, vocabulary));
  SetPieces(vocabulary, scores, model.add_space_prefix, metadata);
  const auto id = [&](const char* key, const std::optional<std::int32_t>& value) {
    if (value) metadata.SetInteger(key, static_cast<std::uint32_t>(*value));
  };
  id("tokenizer.ggml.bos_token_id", model.bos);
  id("tokenizer.ggml.eos_token_id", model.eos);
  id("tokenizer.ggml.padding_token_id", model.pad);
  metadata.SetFlag("tokenizer.ggml.add_bos_token", true);
  return vocabulary;
}

}  // namespace lathe::trainer::merge
