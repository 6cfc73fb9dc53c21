#include "worker/trainer/tokenizer/sentencepiece.h"

#include <algorithm>
#include <functional>

#include "worker/trainer/tokenizer/utf8.h"

namespace lathe::trainer::tokenizer {
namespace {

constexpr std::string_view kMark = "\xE2\x96\x81";
/// No vocabulary comes near it; a longer one in a hostile file would make too many merges.
constexpr std::size_t kMaxPieceCharacters = 256;

bool Merges(const Piece& piece) {
  return piece.type == PieceType::kNormal || piece.type == PieceType::kUserDefined;
}

/// Every way to make a piece out of two others, ranked by the score of what is made.
void AddMerges(const std::vector<Piece>& pieces, BpeModel& out) {
  std::vector<const Piece*> order;
  for (const Piece& piece : pieces) {
    if (Merges(piece)) order.push_back(&piece);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Piece* a, const Piece* b) { return a->score > b->score; });
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && order[i]->score != order[i - 1]->score) ++rank;
    const std::string& text = order[i]->text;
    std::size_t at = CharacterLength(text, 0);
    for (std::size_t n = 0; at < text.size() && n < kMaxPieceCharacters; ++n) {
      const std::string left = text.substr(0, at);
      const std::string right = text.substr(at);
      const auto known = [&](const std::string& part) {
        const auto found = out.vocabulary.find(part);
        return found != out.vocabulary.end() &&
               Merges(pieces[static_cast<std::size_t>(found->second)]);
      };
      if (known(left) && known(right)) {
        out.merges.emplace_back(left, right);
        out.ranks.push_back(rank);
      }
      at += CharacterLength(text, at);
    }
  }
}

Status AddPieces(const std::vector<Piece>& pieces, TokenizerParts& parts) {
  parts.model.vocabulary.reserve(pieces.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    const Piece& piece = pieces[i];
    if (!parts.model.vocabulary.emplace(piece.text, id).second) {
      return Failure(ErrorCode::kDataLoss,
                     "piece " + std::to_string(i) + " (\"" + piece.text + "\") occurs twice");
    }
    if (piece.type == PieceType::kByte) parts.model.byte_fallback = true;
    if (piece.type == PieceType::kUnknown) parts.model.unknown = id;
    const bool special = piece.type == PieceType::kControl || piece.type == PieceType::kUnknown;
    if (special || piece.type == PieceType::kUserDefined) {
      parts.added_tokens.push_back({.content = piece.text, .id = id, .special = special});
    }
  }
  return {};
}

}  // namespace

Result<TokenizerParts> PartsOf(const SentencePieceModel& model) {
  if (model.pieces.empty()) return Failure(ErrorCode::kDataLoss, "the vocabulary is empty");
  TokenizerParts parts;
  parts.model.spelling = Spelling::kCharacters;
  parts.model.fuse_unknown = true;
  LATHE_RETURN_IF_ERROR(AddPieces(model.pieces, parts));
  AddMerges(model.pieces, parts.model);
  if (model.add_space_prefix) parts.normalizer.emplace_back(Prepend{std::string(kMark)});
  LATHE_ASSIGN_OR_RETURN(Regex space, Regex::Literal(" "));
  parts.normalizer.emplace_back(Replace{std::move(space), std::string(kMark)});
  parts.decode.mark = kMark;
  parts.decode.bytes = true;
  if (model.add_space_prefix) parts.decode.leading = DecodeRules::Leading::kDropSpace;
  parts.special_ids = {.bos = model.bos, .eos = model.eos, .pad = model.pad};
  if (model.eos) parts.special_ids.stop.push_back(*model.eos);
  return parts;
}

}  // namespace lathe::trainer::tokenizer
