#pragma once
// Byte-level BPE (Sennrich et al. 2016, Radford et al. 2019): a word begins as its bytes, and the
// neighbouring pair with the lowest rank merges until none is left; equal ranks go left first.
// O(n log n) in the length of a word; results for words are remembered. Thread-safe.

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

/// What a vocabulary file says, in the byte alphabet's spelling.
struct BpeModel {
  std::unordered_map<std::string, std::int32_t> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  ///< best first
  bool ignore_merges = false;           ///< a word that is a token is never merged up to it
  std::optional<std::int32_t> unknown;  ///< for bytes without a token; without it they vanish
  bool fuse_unknown = false;            ///< neighbouring unknown bytes become one token
};

class Bpe {
 public:
  /// kInvalidArgument names a merge whose parts or result are not in the vocabulary.
  static Result<Bpe> Create(const BpeModel& model);
  ~Bpe();
  Bpe(Bpe&&) noexcept;
  Bpe& operator=(Bpe&&) noexcept;

  /// Tokens of one word (bytes, not the alphabet's spelling).
  std::vector<WordToken> Encode(std::string_view word) const;

 private:
  struct Merge {
    std::uint32_t rank;
    std::int32_t id;
  };
  class Cache;
  class WordMerger;

  Bpe();
  std::vector<WordToken> EncodeUncached(std::string_view word) const;
  const Merge* FindMerge(std::int32_t left, std::int32_t right) const;

  std::unordered_map<std::string, std::int32_t> words_;  ///< bytes to id; for ignore_merges only
  std::unordered_map<std::uint64_t, Merge> merges_;      ///< left id << 32 | right id
  std::array<std::int32_t, 256> byte_ids_{};             ///< -1: no token
  std::optional<std::int32_t> unknown_;
  bool fuse_unknown_ = false;
  std::unique_ptr<Cache> cache_;
};

}  // namespace lathe::trainer::tokenizer
