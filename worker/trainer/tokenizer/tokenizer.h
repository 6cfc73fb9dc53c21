#pragma once
// Text to token ids and back, exactly as the model's own tokenizer does it: byte-level BPE and
// SentencePiece's BPE, read from a Hugging Face tokenizer.json, a SentencePiece tokenizer.model or
// GGUF metadata. What a file asks for and this program cannot do is refused by name when it is
// read, never approximated.
//
// Immutable after loading; all methods may be called from several threads.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/gguf.h"
#include "worker/trainer/tokenizer/added_tokens.h"
#include "worker/trainer/tokenizer/bpe.h"
#include "worker/trainer/tokenizer/normalizer.h"
#include "worker/trainer/tokenizer/pre_tokenizer.h"

namespace lathe::trainer::tokenizer {

/// Whether the post-processor's special tokens (such as a leading BOS) are added.
enum class SpecialTokens : std::uint8_t { kOmit, kAdd };
/// Whether decoded text shows control tokens such as <|im_end|>.
enum class ControlTokens : std::uint8_t { kShow, kSkip };

/// Ids with a meaning of their own, where the model has them.
struct SpecialIds {
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> eos;
  std::optional<std::int32_t> pad;
  std::vector<std::int32_t> stop;  ///< generation ends at any of these; holds eos
};

/// How the texts of tokens are put together.
struct DecodeRules {
  std::string mark;    ///< becomes a space; empty: none does
  bool bytes = false;  ///< tokens such as "<0x0A>" become the byte
  /// What is left out at the beginning: the space that encoding put there.
  enum class Leading : std::uint8_t { kKeep, kDropSpace, kDropMarksOfFirstToken };
  Leading leading = Leading::kKeep;
};

/// Token i is ids[i] and covers the bytes ranges[i] of the text; added special tokens cover none.
struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<ByteRange> ranges;
};

/// What a tokenizer is made of; filled by the readers of the two file formats.
struct TokenizerParts {
  std::vector<NormalizerStep> normalizer;
  PreTokenizer pre_tokenizer;
  BpeModel model;
  DecodeRules decode;
  std::vector<AddedToken> added_tokens;
  std::vector<std::int32_t> prefix;  ///< added before a text with SpecialTokens::kAdd
  std::vector<std::int32_t> suffix;
  SpecialIds special_ids;
};

/// What stands beside a tokenizer.model, in tokenizer_config.json.
struct SentencePieceAdditions {
  std::vector<AddedToken> added_tokens;  ///< one with the id of a piece replaces its rules
  bool add_bos = true;
  bool add_eos = false;
};

class Tokenizer {
 public:
  static Result<Tokenizer> Create(TokenizerParts parts);
  /// `json` is the content of a tokenizer.json; errors speak of `origin` and name the part.
  static Result<Tokenizer> FromJson(std::string_view json, std::string_view origin);
  static Result<Tokenizer> FromGguf(const formats::Gguf& gguf);
  /// `bytes` is the content of a tokenizer.model, to which other files may add.
  static Result<Tokenizer> FromSentencePiece(std::string_view bytes, std::string_view origin,
                                             const SentencePieceAdditions& additions = {});

  /// kInvalidArgument when the text is not UTF-8.
  Result<std::vector<std::int32_t>> Encode(std::string_view text,
                                           SpecialTokens special = SpecialTokens::kOmit) const;
  Result<Encoding> EncodeWithRanges(std::string_view text,
                                    SpecialTokens special = SpecialTokens::kOmit) const;

  /// Text of the ids; unknown ids give nothing, bytes that are not UTF-8 become U+FFFD.
  std::string Decode(std::span<const std::int32_t> ids,
                     ControlTokens control = ControlTokens::kShow) const;
  /// The bytes of one id, which may be a part of a character; empty for an unknown id.
  std::string_view BytesOf(std::int32_t id) const;

  /// By the spelling in the vocabulary ("Ġthe", "<|im_end|>").
  std::optional<std::int32_t> IdOf(std::string_view token) const;
  bool IsControl(std::int32_t id) const;
  /// Whether the token stands for one byte, such as "<0x0A>".
  bool IsFallbackByte(std::int32_t id) const;
  /// The largest id plus one.
  std::int32_t vocabulary_size() const { return static_cast<std::int32_t>(bytes_.size()); }
  const SpecialIds& special_ids() const { return special_ids_; }
  /// For what other files say about ids (tokenizer_config.json, generation_config.json).
  void SetSpecialIds(SpecialIds ids) { special_ids_ = std::move(ids); }

 private:
  Tokenizer(Bpe bpe, AddedTokenSplitter raw, AddedTokenSplitter normalized)
      : bpe_(std::move(bpe)),
        raw_splitter_(std::move(raw)),
        normalized_splitter_(std::move(normalized)) {}
  Status AppendRawSection(std::string_view text, std::size_t offset, Encoding& out) const;
  Status AppendPlain(const Normalized& section, ByteRange where, bool at_start,
                     Encoding& out) const;
  friend class StreamDecoder;

  std::vector<NormalizerStep> normalizer_;
  PreTokenizer pre_tokenizer_;
  Bpe bpe_;
  AddedTokenSplitter raw_splitter_;
  AddedTokenSplitter normalized_splitter_;
  std::vector<std::int32_t> prefix_;
  std::vector<std::int32_t> suffix_;
  SpecialIds special_ids_;
  std::unordered_map<std::string, std::int32_t> ids_;
  DecodeRules decode_;
  std::vector<std::string> bytes_;  ///< by id
  std::vector<bool> control_;       ///< by id
  std::vector<bool> is_byte_;       ///< by id: a fall-back token such as "<0x0A>"
};

/// Decodes a stream of ids: holds back bytes until they are whole characters. Only where bytes of
/// fall-back tokens are no text does the sum of what it returns differ from Decode: there Decode
/// also takes back the characters before them.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, ControlTokens control)
      : tokenizer_(tokenizer), control_(control) {}
  /// The text that this id completes; may be empty.
  std::string Push(std::int32_t id);
  /// What was held back, with U+FFFD for the incomplete character.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  ControlTokens control_;
  bool first_ = true;
  std::string pending_;
};

}  // namespace lathe::trainer::tokenizer
