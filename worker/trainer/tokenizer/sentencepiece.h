#pragma once
// SentencePiece's BPE models (https://github.com/google/sentencepiece): a list of pieces with
// scores instead of a list of merges. Any two neighbours whose union is a piece may merge, the
// union with the highest score first. GGUF files hold the same list.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/tokenizer/tokenizer.h"

namespace lathe::trainer::tokenizer {

/// Numbered as in sentencepiece_model.proto, and as GGUF's tokenizer.ggml.token_type.
enum class PieceType : std::int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

/// A piece's id is its place in the list.
struct Piece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::kNormal;
};

struct SentencePieceModel {
  std::vector<Piece> pieces;
  bool add_space_prefix = true;  ///< every text between added tokens gets a mark before it
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> eos;
  std::optional<std::int32_t> pad;
};

/// The content of a tokenizer.model; kDataLoss, kInvalidArgument for what is not supported.
Result<SentencePieceModel> ReadSentencePieceModel(std::string_view bytes);

/// The list in a GGUF file's metadata, without the ids; kDataLoss, kInvalidArgument.
Result<SentencePieceModel> ReadPieces(const formats::Gguf& gguf);

/// Everything but prefix and suffix. Texts of control, unknown and user-defined pieces are cut out
/// of the text like added tokens. kDataLoss when the list is empty or a text occurs twice.
Result<TokenizerParts> PartsOf(const SentencePieceModel& model);

}  // namespace lathe::trainer::tokenizer
