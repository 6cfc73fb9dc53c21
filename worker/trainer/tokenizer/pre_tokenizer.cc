#include "worker/trainer/tokenizer/pre_tokenizer.h"

namespace lathe::trainer::tokenizer {
namespace {

struct Stretch {
  ByteRange range;
  bool matched;
};

/// Matches and the gaps between them, in order, covering the text.
std::vector<Stretch> Cover(const std::vector<ByteRange>& matches, std::size_t size, bool invert) {
  std::vector<Stretch> pieces;
  std::size_t at = 0;
  for (const ByteRange match : matches) {
    if (match.begin > at) pieces.push_back({{at, match.begin}, invert});
    pieces.push_back({match, !invert});
    at = match.end;
  }
  if (at < size) pieces.push_back({{at, size}, invert});
  return pieces;
}

/// Whether a piece is glued to the word before it, which ends with `previous`.
bool Joins(SplitBehavior behavior, const Stretch& previous, const Stretch& piece) {
  switch (behavior) {
    case SplitBehavior::kMergedWithPrevious:
      return piece.matched && !previous.matched;
    case SplitBehavior::kMergedWithNext:
      return previous.matched && !piece.matched;
    case SplitBehavior::kContiguous:
      return previous.matched == piece.matched;
    default:
      return false;
  }
}

void Append(const SplitStep& step, const std::vector<Stretch>& pieces, std::size_t offset,
            std::vector<ByteRange>& words) {
  const Stretch* previous = nullptr;
  for (const Stretch& piece : pieces) {
    if (step.behavior == SplitBehavior::kRemoved && piece.matched) continue;
    if (previous != nullptr && Joins(step.behavior, *previous, piece)) {
      words.back().end = offset + piece.range.end;
    } else {
      words.push_back({offset + piece.range.begin, offset + piece.range.end});
    }
    previous = &piece;
  }
}

}  // namespace

const std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Result<Normalized> PreTokenizer::Mark(std::string_view text, bool at_start) const {
  std::vector<NormalizerStep> changes;
  if (metaspace) {
    using Prefix = Metaspace::Prefix;
    LATHE_ASSIGN_OR_RETURN(Regex space, Regex::Literal(" "));
    changes.emplace_back(Replace{std::move(space), metaspace->mark});
    const bool wanted =
        metaspace->prefix == Prefix::kAlways || (metaspace->prefix == Prefix::kFirst && at_start);
    const bool has_one = text.starts_with(' ') || text.starts_with(metaspace->mark);
    if (wanted && !has_one) changes.emplace_back(Prepend{metaspace->mark});
  } else if (add_prefix_space && !text.starts_with(' ')) {
    changes.emplace_back(Prepend{" "});
  }
  return Normalize(changes, text);
}

Result<std::vector<ByteRange>> PreTokenizer::Split(std::string_view text) const {
  std::vector<ByteRange> words;
  if (!text.empty()) words.push_back({0, text.size()});
  for (const SplitStep& step : steps) {
    std::vector<ByteRange> finer;
    for (const ByteRange word : words) {
      const std::string_view part = text.substr(word.begin, word.end - word.begin);
      LATHE_ASSIGN_OR_RETURN(const auto matches, step.pattern.FindAll(part));
      Append(step, Cover(matches, part.size(), step.invert), word.begin, finer);
    }
    words = std::move(finer);
  }
  return words;
}

}  // namespace lathe::trainer::tokenizer
