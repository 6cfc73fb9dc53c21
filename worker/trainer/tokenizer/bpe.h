#pragma once
// BPE (Sennrich et al. 2016): a word begins as its bytes (Radford et al. 2019) or as its characters
// (SentencePiece, Kudo and Richardson 2018), and the neighbouring pair with the lowest rank merges
// until none is left; equal ranks go left first. O(n log n) in the length of a word; results for
// short words are remembered. Thread-safe.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::tokenizer {

/// A token of a word and where it ends, in bytes from the beginning of the word.
struct WordToken {
  std::int32_t id = 0;
  std::uint32_t end = 0;
};

/// What the entries of a vocabulary are written in, and so what a word begins as.
enum class Spelling : std::uint8_t {
  kBytes,       ///< the byte alphabet, see byte_alphabet.h
  kCharacters,  ///< plain text; bytes, where there are tokens for them, as "<0x0A>"
};

/// What a vocabulary file says, in its spelling.
struct BpeModel {
  Spelling spelling = Spelling::kBytes;
  std::unordered_map<std::string, std::int32_t> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  ///< best first
  /// The rank of each merge where some are equally good; empty: their order.
  std::vector<std::uint32_t> ranks;
  bool ignore_merges = false;           ///< a word that is a token is never merged up to it
  bool byte_fallback = false;           ///< characters without a token become the tokens of bytes
  std::optional<std::int32_t> unknown;  ///< for what has no token; without it that vanishes
  bool fuse_unknown = false;            ///< neighbouring unknown parts become one token
};

/// The byte that a token such as "<0x0A>" stands for.
std::optional<std::uint8_t> ByteOfFallbackToken(std::string_view token);

class Bpe {
 public:
  /// kInvalidArgument names a merge whose parts or result are not in the vocabulary.
  static Result<Bpe> Create(const BpeModel& model);
  ~Bpe();
  Bpe(Bpe&&) noexcept;
  Bpe& operator=(Bpe&&) noexcept;

  /// Tokens of one word of valid UTF-8 (not in the byte alphabet's spelling).
  std::vector<WordToken> Encode(std::string_view word) const;

 private:
  struct Merge {
    std::uint32_t rank;
    std::int32_t id;
  };
  class Cache;
  class WordMerger;

  Bpe();
  void AddToken(const BpeModel& model, const std::string& token, std::int32_t id);
  Status AddMerges(const BpeModel& model);
  std::vector<WordToken> EncodeUncached(std::string_view word) const;
  std::vector<WordToken> ByteSymbols(std::string_view word) const;
  std::vector<WordToken> CharacterSymbols(std::string_view word) const;
  bool AppendFallback(std::string_view character, std::size_t at,
                      std::vector<WordToken>& symbols) const;
  const Merge* FindMerge(std::int32_t left, std::int32_t right) const;

  Spelling spelling_ = Spelling::kBytes;
  std::unordered_map<std::string, std::int32_t> words_;  ///< bytes to id; for ignore_merges only
  std::unordered_map<std::string, std::int32_t> characters_;  ///< for Spelling::kCharacters only
  std::unordered_map<std::uint64_t, Merge> merges_;           ///< left id << 32 | right id
  std::array<std::int32_t, 256> byte_ids_{};                  ///< -1: no token
  std::optional<std::int32_t> unknown_;
  bool fuse_unknown_ = false;
  std::unique_ptr<Cache> cache_;
};

}  // namespace lathe::trainer::tokenizer
