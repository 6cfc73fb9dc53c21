#include "worker/trainer/tokenizer/tokenizer.h"

#include <algorithm>

#include "worker/trainer/tokenizer/byte_alphabet.h"
#include "worker/trainer/tokenizer/utf8.h"

namespace lathe::trainer::tokenizer {
namespace {

constexpr std::int32_t kMaxId = 1 << 24;  ///< far above any vocabulary; bounds hostile files

Status CheckIds(const TokenizerParts& parts) {
  for (const auto& [token, id] : parts.model.vocabulary) {
    if (id < 0 || id > kMaxId) {
      return Failure(ErrorCode::kDataLoss, "token \"" + token + "\" has id " + std::to_string(id));
    }
  }
  for (const AddedToken& token : parts.added_tokens) {
    if (token.id < 0 || token.id > kMaxId) {
      return Failure(ErrorCode::kDataLoss,
                     "added token \"" + token.content + "\" has id " + std::to_string(token.id));
    }
  }
  return {};
}

/// Added tokens as they must be looked for: those that match normalised text are normalised too.
Result<std::vector<AddedToken>> Looked(const TokenizerParts& parts, bool normalized) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : parts.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized) {
      LATHE_ASSIGN_OR_RETURN(const Normalized content,
                             Normalize(parts.normal_forms, token.content));
      token.content = content.text;
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

Result<Tokenizer> Tokenizer::Create(TokenizerParts parts) {
  LATHE_RETURN_IF_ERROR(CheckIds(parts));
  LATHE_ASSIGN_OR_RETURN(Bpe bpe, Bpe::Create(parts.model));
  LATHE_ASSIGN_OR_RETURN(std::vector<AddedToken> raw, Looked(parts, false));
  LATHE_ASSIGN_OR_RETURN(std::vector<AddedToken> normalized, Looked(parts, true));
  LATHE_ASSIGN_OR_RETURN(auto raw_splitter, AddedTokenSplitter::Create(std::move(raw)));
  LATHE_ASSIGN_OR_RETURN(auto late_splitter, AddedTokenSplitter::Create(std::move(normalized)));
  Tokenizer made(std::move(bpe), std::move(raw_splitter), std::move(late_splitter));
  made.ids_ = std::move(parts.model.vocabulary);
  for (const AddedToken& token : parts.added_tokens) made.ids_[token.content] = token.id;
  std::int32_t size = 0;
  for (const auto& [token, id] : made.ids_) size = std::max(size, id + 1);
  made.bytes_.resize(static_cast<std::size_t>(size));
  made.control_.resize(static_cast<std::size_t>(size));
  for (const auto& [token, id] : made.ids_) {
    made.bytes_[static_cast<std::size_t>(id)] = BytesOfToken(token).value_or(token);
  }
  for (const AddedToken& token : parts.added_tokens) {
    made.control_[static_cast<std::size_t>(token.id)] = token.special;
  }
  made.normal_forms_ = std::move(parts.normal_forms);
  made.pre_tokenizer_ = std::move(parts.pre_tokenizer);
  made.prefix_ = std::move(parts.prefix);
  made.suffix_ = std::move(parts.suffix);
  made.special_ids_ = std::move(parts.special_ids);
  return made;
}

Result<std::vector<std::int32_t>> Tokenizer::Encode(std::string_view text,
                                                    SpecialTokens special) const {
  LATHE_ASSIGN_OR_RETURN(Encoding encoding, EncodeWithRanges(text, special));
  return std::move(encoding.ids);
}

Result<Encoding> Tokenizer::EncodeWithRanges(std::string_view text, SpecialTokens special) const {
  if (!IsValidUtf8(text)) return Failure(ErrorCode::kInvalidArgument, "the text is not UTF-8");
  Encoding out;
  if (special == SpecialTokens::kAdd) {
    out.ids = prefix_;
    out.ranges.resize(prefix_.size());
  }
  LATHE_ASSIGN_OR_RETURN(const auto sections, raw_splitter_.Split(text));
  for (const Section& section : sections) {
    if (section.id) {
      out.ids.push_back(*section.id);
      out.ranges.push_back(section.range);
      continue;
    }
    const auto part = text.substr(section.range.begin, section.range.end - section.range.begin);
    LATHE_RETURN_IF_ERROR(AppendRawSection(part, section.range.begin, out));
  }
  if (special == SpecialTokens::kAdd) {
    out.ids.insert(out.ids.end(), suffix_.begin(), suffix_.end());
    out.ranges.resize(out.ids.size(), {text.size(), text.size()});
  }
  return out;
}

/// Text between raw added tokens: normalised, cut by the other added tokens, then into words.
/// `offset` is where it begins in the whole text.
Status Tokenizer::AppendRawSection(std::string_view text, std::size_t offset, Encoding& out) const {
  LATHE_ASSIGN_OR_RETURN(const Normalized normalized, Normalize(normal_forms_, text));
  LATHE_ASSIGN_OR_RETURN(const auto sections, normalized_splitter_.Split(normalized.text));
  const std::size_t first = out.ranges.size();
  for (const Section& section : sections) {
    if (section.id) {
      out.ids.push_back(*section.id);
      out.ranges.push_back(
          {normalized.OriginOf(section.range.begin), normalized.OriginOf(section.range.end)});
    } else {
      LATHE_RETURN_IF_ERROR(AppendPlain(normalized.text, normalized, section.range, out));
    }
  }
  for (std::size_t i = first; i < out.ranges.size(); ++i) {
    out.ranges[i].begin += offset;
    out.ranges[i].end += offset;
  }
  return {};
}

/// Words of text[where]; ranges are in the text before normalisation.
Status Tokenizer::AppendPlain(std::string_view text, const Normalized& origin, ByteRange where,
                              Encoding& out) const {
  std::string_view part = text.substr(where.begin, where.end - where.begin);
  std::string prefixed;
  const bool prefixes = pre_tokenizer_.add_prefix_space && !part.starts_with(' ');
  if (prefixes) {
    prefixed = ' ' + std::string(part);
    part = prefixed;
  }
  const auto origin_of = [&](std::size_t at) {  // The added space has the place of what follows.
    return origin.OriginOf(where.begin + (prefixes && at > 0 ? at - 1 : at));
  };
  LATHE_ASSIGN_OR_RETURN(const auto words, pre_tokenizer_.Split(part));
  for (const ByteRange word : words) {
    std::size_t begin = word.begin;
    for (const WordToken& token : bpe_.Encode(part.substr(word.begin, word.end - word.begin))) {
      const std::size_t end = word.begin + token.end;
      out.ids.push_back(token.id);
      out.ranges.push_back({origin_of(begin), origin_of(end)});
      begin = end;
    }
  }
  return {};
}

std::string Tokenizer::Decode(std::span<const std::int32_t> ids, ControlTokens control) const {
  std::string bytes;
  for (const std::int32_t id : ids) {
    if (control == ControlTokens::kSkip && IsControl(id)) continue;
    bytes += BytesOf(id);
  }
  return ReplaceInvalid(bytes);
}

std::string_view Tokenizer::BytesOf(std::int32_t id) const {
  if (id < 0 || id >= vocabulary_size()) return {};
  return bytes_[static_cast<std::size_t>(id)];
}

std::optional<std::int32_t> Tokenizer::IdOf(std::string_view token) const {
  const auto found = ids_.find(std::string(token));
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

bool Tokenizer::IsControl(std::int32_t id) const {
  return id >= 0 && id < vocabulary_size() && control_[static_cast<std::size_t>(id)];
}

std::string StreamDecoder::Push(std::int32_t id) {
  if (control_ == ControlTokens::kSkip && tokenizer_.IsControl(id)) return {};
  pending_ += tokenizer_.BytesOf(id);
  const std::size_t whole = CompletePrefix(pending_);
  std::string text = ReplaceInvalid(std::string_view(pending_).substr(0, whole));
  pending_.erase(0, whole);
  return text;
}

std::string StreamDecoder::Finish() {
  std::string text = ReplaceInvalid(pending_);
  pending_.clear();
  return text;
}

}  // namespace lathe::trainer::tokenizer
