#include "worker/trainer/tokenizer/bpe.h"

#include <algorithm>
#include <mutex>
#include <queue>

#include "worker/trainer/tokenizer/byte_alphabet.h"
#include "worker/trainer/tokenizer/utf8.h"

namespace lathe::trainer::tokenizer {
namespace {

constexpr std::size_t kMaxCachedWords = 1 << 16;
constexpr std::size_t kMaxCachedLength = 64;

std::uint64_t PairKey(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

}  // namespace

/// Words recur: in running text most are found here. Emptied when full.
class Bpe::Cache {
 public:
  std::optional<std::vector<WordToken>> Find(std::string_view word) {
    const std::lock_guard lock(mutex_);
    const auto found = words_.find(std::string(word));
    if (found == words_.end()) return std::nullopt;
    return found->second;
  }
  void Add(std::string_view word, const std::vector<WordToken>& tokens) {
    const std::lock_guard lock(mutex_);
    if (words_.size() >= kMaxCachedWords) words_.clear();
    words_.emplace(word, tokens);
  }

 private:
  std::mutex mutex_;  ///< guards words_
  std::unordered_map<std::string, std::vector<WordToken>> words_;
};

/// One word being merged: symbols form a doubly linked list by index, candidates wait in a heap;
/// a candidate is stale when its symbols have changed since.
class Bpe::WordMerger {
 public:
  WordMerger(const Bpe& bpe, std::vector<WordToken> symbols) : bpe_(bpe) {
    symbols_.reserve(symbols.size());
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      symbols_.push_back({symbols[i].id, symbols[i].end, static_cast<int>(i) - 1,
                          i + 1 < symbols.size() ? static_cast<int>(i) + 1 : -1});
    }
    for (std::size_t i = 0; i + 1 < symbols_.size(); ++i) Consider(static_cast<int>(i));
  }

  std::vector<WordToken> Run() {
    while (!candidates_.empty()) {
      const Candidate candidate = candidates_.top();
      candidates_.pop();
      if (IsCurrent(candidate)) Apply(candidate);
    }
    std::vector<WordToken> tokens;
    for (int i = symbols_.empty() ? -1 : 0; i >= 0; i = symbols_[i].next) {
      tokens.push_back({symbols_[i].id, symbols_[i].end});
    }
    return tokens;
  }

 private:
  struct Symbol {
    std::int32_t id;  ///< kGone once merged into its left neighbour
    std::uint32_t end;
    int previous;
    int next;
  };
  struct Candidate {
    std::uint32_t rank;
    int left;
    std::int32_t left_id;
    std::int32_t right_id;
    std::int32_t merged_id;
    bool operator<(const Candidate& other) const {  // The heap's top is the greatest.
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  static constexpr std::int32_t kGone = -2;

  void Consider(int left) {
    if (left < 0 || symbols_[left].next < 0) return;
    const std::int32_t left_id = symbols_[left].id;
    const std::int32_t right_id = symbols_[symbols_[left].next].id;
    if (const Merge* merge = bpe_.FindMerge(left_id, right_id)) {
      candidates_.push({merge->rank, left, left_id, right_id, merge->id});
    }
  }
  bool IsCurrent(const Candidate& candidate) const {
    const Symbol& left = symbols_[candidate.left];
    return left.id == candidate.left_id && left.next >= 0 &&
           symbols_[left.next].id == candidate.right_id;
  }
  void Apply(const Candidate& candidate) {
    Symbol& left = symbols_[candidate.left];
    Symbol& right = symbols_[left.next];
    left.id = candidate.merged_id;
    left.end = right.end;
    right.id = kGone;
    left.next = right.next;
    if (left.next >= 0) symbols_[left.next].previous = candidate.left;
    Consider(left.previous);
    Consider(candidate.left);
  }

  const Bpe& bpe_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate> candidates_;
};

Bpe::Bpe() : cache_(std::make_unique<Cache>()) {
  byte_ids_.fill(-1);
}
Bpe::~Bpe() = default;
Bpe::Bpe(Bpe&&) noexcept = default;
Bpe& Bpe::operator=(Bpe&&) noexcept = default;

std::optional<std::uint8_t> ByteOfFallbackToken(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  unsigned value = 0;
  for (const char digit : token.substr(3, 2)) {
    if (digit >= '0' && digit <= '9') {
      value = value * 16 + static_cast<unsigned>(digit - '0');
    } else if (digit >= 'A' && digit <= 'F') {
      value = value * 16 + static_cast<unsigned>(digit - 'A') + 10;
    } else {
      return std::nullopt;
    }
  }
  return static_cast<std::uint8_t>(value);
}

void Bpe::AddToken(const BpeModel& model, const std::string& token, std::int32_t id) {
  if (spelling_ == Spelling::kCharacters) {
    if (!token.empty() && CharacterLength(token, 0) == token.size()) characters_.emplace(token, id);
    const auto byte = model.byte_fallback ? ByteOfFallbackToken(token) : std::nullopt;
    if (byte) byte_ids_[*byte] = id;
    if (model.ignore_merges) words_.emplace(token, id);
    return;
  }
  if (!model.ignore_merges && token.size() > 2) return;
  const auto bytes = BytesOfToken(token);
  if (!bytes || bytes->empty()) return;
  if (bytes->size() == 1) byte_ids_[static_cast<unsigned char>((*bytes)[0])] = id;
  if (model.ignore_merges) words_.emplace(*bytes, id);
}

Status Bpe::AddMerges(const BpeModel& model) {
  merges_.reserve(model.merges.size());
  const auto end = model.vocabulary.end();
  for (std::size_t i = 0; i < model.merges.size(); ++i) {
    const auto& [left, right] = model.merges[i];
    const auto left_id = model.vocabulary.find(left);
    const auto right_id = model.vocabulary.find(right);
    const auto merged = model.vocabulary.find(left + right);
    if (left_id == end || right_id == end || merged == end) {
      return Failure(ErrorCode::kInvalidArgument,
                     "merge " + std::to_string(i) + " (\"" + left + "\" \"" + right +
                         "\") names a token that is not in the vocabulary");
    }
    const auto rank = model.ranks.empty() ? static_cast<std::uint32_t>(i) : model.ranks[i];
    merges_.insert_or_assign(PairKey(left_id->second, right_id->second),
                             Merge{rank, merged->second});
  }
  return {};
}

Result<Bpe> Bpe::Create(const BpeModel& model) {
  Bpe bpe;
  bpe.spelling_ = model.spelling;
  bpe.unknown_ = model.unknown;
  bpe.fuse_unknown_ = model.fuse_unknown;
  for (const auto& [token, id] : model.vocabulary) bpe.AddToken(model, token, id);
  LATHE_RETURN_IF_ERROR(bpe.AddMerges(model));
  return bpe;
}

const Bpe::Merge* Bpe::FindMerge(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(PairKey(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::vector<WordToken> Bpe::Encode(std::string_view word) const {
  if (word.size() > kMaxCachedLength) return EncodeUncached(word);
  if (auto cached = cache_->Find(word)) return *std::move(cached);
  std::vector<WordToken> tokens = EncodeUncached(word);
  cache_->Add(word, tokens);
  return tokens;
}

std::vector<WordToken> Bpe::EncodeUncached(std::string_view word) const {
  if (const auto whole = words_.find(std::string(word)); whole != words_.end()) {
    return {{whole->second, static_cast<std::uint32_t>(word.size())}};
  }
  auto symbols = spelling_ == Spelling::kBytes ? ByteSymbols(word) : CharacterSymbols(word);
  return WordMerger(*this, std::move(symbols)).Run();
}

std::vector<WordToken> Bpe::ByteSymbols(std::string_view word) const {
  std::vector<WordToken> symbols;
  symbols.reserve(word.size());
  bool last_unknown = false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(word[i])];
    const auto end = static_cast<std::uint32_t>(i + 1);
    if (id >= 0) {
      symbols.push_back({id, end});
    } else if (unknown_ && last_unknown && fuse_unknown_) {
      symbols.back().end = end;
    } else if (unknown_) {
      symbols.push_back({*unknown_, end});
    }
    last_unknown = id < 0;
  }
  return symbols;
}

std::vector<WordToken> Bpe::CharacterSymbols(std::string_view word) const {
  std::vector<WordToken> symbols;
  symbols.reserve(word.size());
  bool last_unknown = false;
  for (std::size_t at = 0, length = 0; at < word.size(); at += length) {
    length = CharacterLength(word, at);
    const auto end = static_cast<std::uint32_t>(at + length);
    const auto found = characters_.find(std::string(word.substr(at, length)));
    if (found != characters_.end()) {
      symbols.push_back({found->second, end});
      last_unknown = false;
    } else if (AppendFallback(word.substr(at, length), at, symbols)) {
      last_unknown = false;
    } else if (unknown_ && last_unknown && fuse_unknown_) {
      symbols.back().end = end;
    } else if (unknown_) {
      symbols.push_back({*unknown_, end});
      last_unknown = true;
    }
  }
  return symbols;
}

/// The tokens of a character's bytes; false, with nothing appended, unless each of them has one.
bool Bpe::AppendFallback(std::string_view character, std::size_t at,
                         std::vector<WordToken>& symbols) const {
  for (const char byte : character) {
    if (byte_ids_[static_cast<unsigned char>(byte)] < 0) return false;
  }
  for (std::size_t i = 0; i < character.size(); ++i) {
    symbols.push_back({byte_ids_[static_cast<unsigned char>(character[i])],
                       static_cast<std::uint32_t>(at + i + 1)});
  }
  return true;
}

}  // namespace lathe::trainer::tokenizer
