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
      LATHE_ASSIGN_OR_RETURN(const Normalized content, Normalize(parts.normalizer, token.content));
      token.content = content.text;
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// What a token adds to decoded text, in bytes.
std::string TextOfToken(const std::string& token, const TokenizerParts& parts) {
  if (parts.model.spelling == Spelling::kBytes) return BytesOfToken(token).value_or(token);
  if (parts.decode.bytes) {
    if (const auto byte = ByteOfFallbackToken(token)) return {static_cast<char>(*byte)};
  }
  const std::string& mark = parts.decode.mark;
  std::string text = token;
  for (std::size_t at = mark.empty() ? std::string::npos : text.find(mark); at != std::string::npos;
       at = text.find(mark, at + 1)) {
    text.replace(at, mark.size(), " ");
  }
  return text;
}

/// The largest id plus one. An added token may take the text of another one, whose id stays.
std::int32_t SizeOf(const TokenizerParts& parts) {
  std::int32_t size = 0;
  for (const auto& [token, id] : parts.model.vocabulary) size = std::max(size, id + 1);
  for (const AddedToken& token : parts.added_tokens) size = std::max(size, token.id + 1);
  return size;
}

/// What is put before and behind texts must be tokens.
Status CheckEnds(const TokenizerParts& parts, std::int32_t size) {
  for (const auto* ids : {&parts.prefix, &parts.suffix}) {
    for (const std::int32_t id : *ids) {
      if (id >= 0 && id < size) continue;
      return Failure(ErrorCode::kDataLoss, "texts begin or end with token " + std::to_string(id) +
                                               ", which is outside the vocabulary of " +
                                               std::to_string(size));
    }
  }
  return {};
}

}  // namespace

Result<Tokenizer> Tokenizer::Create(TokenizerParts parts) {
  LATHE_RETURN_IF_ERROR(CheckIds(parts));
  const std::int32_t size = SizeOf(parts);
  LATHE_RETURN_IF_ERROR(CheckEnds(parts, size));
  LATHE_ASSIGN_OR_RETURN(Bpe bpe, Bpe::Create(parts.model));
  LATHE_ASSIGN_OR_RETURN(std::vector<AddedToken> raw, Looked(parts, false));
  LATHE_ASSIGN_OR_RETURN(std::vector<AddedToken> normalized, Looked(parts, true));
  LATHE_ASSIGN_OR_RETURN(auto raw_splitter, AddedTokenSplitter::Create(std::move(raw)));
  LATHE_ASSIGN_OR_RETURN(auto late_splitter, AddedTokenSplitter::Create(std::move(normalized)));
  Tokenizer made(std::move(bpe), std::move(raw_splitter), std::move(late_splitter));
  made.ids_ = std::move(parts.model.vocabulary);
  for (const AddedToken& token : parts.added_tokens) made.ids_[token.content] = token.id;
  made.bytes_.resize(static_cast<std::size_t>(size));
  made.control_.resize(static_cast<std::size_t>(size));
  made.is_byte_.resize(static_cast<std::size_t>(size));
  for (const auto& [token, id] : made.ids_) {
    const auto index = static_cast<std::size_t>(id);
    made.bytes_[index] = TextOfToken(token, parts);
    made.is_byte_[index] = parts.decode.bytes && ByteOfFallbackToken(token).has_value();
  }
  for (const AddedToken& token : parts.added_tokens) {
    made.control_[static_cast<std::size_t>(token.id)] = token.special;
  }
  made.normalizer_ = std::move(parts.normalizer);
  made.pre_tokenizer_ = std::move(parts.pre_tokenizer);
  made.decode_ = std::move(parts.decode);
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
  LATHE_ASSIGN_OR_RETURN(const Normalized normalized, Normalize(normalizer_, text));
  LATHE_ASSIGN_OR_RETURN(const auto sections, normalized_splitter_.Split(normalized.text));
  const std::size_t first = out.ranges.size();
  for (const Section& section : sections) {
    if (section.id) {
      out.ids.push_back(*section.id);
      out.ranges.push_back(
          {normalized.OriginOf(section.range.begin), normalized.OriginOf(section.range.end)});
    } else {
      const bool at_start = offset == 0 && section.range.begin == 0;
      LATHE_RETURN_IF_ERROR(AppendPlain(normalized, section.range, at_start, out));
    }
  }
  for (std::size_t i = first; i < out.ranges.size(); ++i) {
    out.ranges[i].begin += offset;
    out.ranges[i].end += offset;
  }
  return {};
}

/// Words of section.text[where]; ranges are in the text before normalisation.
Status Tokenizer::AppendPlain(const Normalized& section, ByteRange where, bool at_start,
                              Encoding& out) const {
  const auto part = std::string_view(section.text).substr(where.begin, where.end - where.begin);
  LATHE_ASSIGN_OR_RETURN(const Normalized marked, pre_tokenizer_.Mark(part, at_start));
  const auto origin_of = [&](std::size_t at) {
    return section.OriginOf(where.begin + marked.OriginOf(at));
  };
  LATHE_ASSIGN_OR_RETURN(const auto words, pre_tokenizer_.Split(marked.text));
  for (const ByteRange word : words) {
    std::size_t begin = word.begin;
    const auto text = std::string_view(marked.text).substr(word.begin, word.end - word.begin);
    for (const WordToken& token : bpe_.Encode(text)) {
      const std::size_t end = word.begin + token.end;
      out.ids.push_back(token.id);
      out.ranges.push_back({origin_of(begin), origin_of(end)});
      begin = end;
    }
  }
  return {};
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

bool Tokenizer::IsFallbackByte(std::int32_t id) const {
  return id >= 0 && id < vocabulary_size() && is_byte_[static_cast<std::size_t>(id)];
}

}  // namespace lathe::trainer::tokenizer
