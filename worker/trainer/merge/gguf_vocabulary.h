#pragma once
// A tokenizer's vocabulary on its way into GGUF metadata. Private to this room.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/gguf_writer.h"
#include "worker/trainer/merge/writers.h"
#include "worker/trainer/tokenizer/sentencepiece.h"

namespace lathe::trainer::merge {

using tokenizer::PieceType;

/// By id; what nothing names is padding.
struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;  ///< PieceType

  /// Of padding alone.
  explicit Vocabulary(std::int64_t size);
  /// kInvalidArgument when the id is none of them.
  Status Set(std::int64_t id, std::string token, PieceType type);
};

/// Either spelling of merges: "a b", or a list of two.
std::vector<std::string> ReadMerges(const nlohmann::json& merges);

/// SentencePiece's BPE, which GGUF calls llama, from a tokenizer.json; `config` is its
/// tokenizer_config.json. Returns what llama.cpp does otherwise.
Result<Notes> AddPieces(const nlohmann::json& tokenizer, const nlohmann::json& config,
                        Vocabulary vocabulary, formats::GgufMetadata& metadata);

/// Likewise from the bytes of a tokenizer.model, for a model with so many embeddings. Returns the
/// vocabulary.
Result<Vocabulary> AddSentencePiece(const std::string& bytes, const nlohmann::json& config,
                                    std::int64_t size, formats::GgufMetadata& metadata);

}  // namespace lathe::trainer::merge
