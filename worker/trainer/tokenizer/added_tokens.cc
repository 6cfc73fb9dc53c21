#include "worker/trainer/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "worker/trainer/tokenizer/utf8.h"

namespace lathe::trainer::tokenizer {
namespace {

std::string_view LastCharacter(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0) {
    --begin;
    if ((static_cast<unsigned char>(text[begin]) & 0xC0) != 0x80) break;
  }
  return text.substr(begin);
}

std::string_view FirstCharacter(std::string_view text) {
  return text.empty() ? text : text.substr(0, CharacterLength(text, 0));
}

bool Matches(const Regex& pattern, std::string_view character) {
  const auto found = pattern.FindAll(character);
  return found && !found->empty();
}

}  // namespace

Result<AddedTokenSplitter> AddedTokenSplitter::Create(std::vector<AddedToken> tokens) {
  LATHE_ASSIGN_OR_RETURN(Regex word, Regex::Compile(R"(\w)"));
  LATHE_ASSIGN_OR_RETURN(Regex space, Regex::Compile(R"(\s)"));
  return AddedTokenSplitter(std::move(tokens), std::move(word), std::move(space));
}

AddedTokenSplitter::AddedTokenSplitter(std::vector<AddedToken> tokens, Regex word, Regex space)
    : tokens_(std::move(tokens)), word_at_edge_(std::move(word)), space_at_edge_(std::move(space)) {
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() > b.content.size();
  });
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].content.empty()) continue;
    by_first_byte_[static_cast<unsigned char>(tokens_[i].content[0])].push_back(i);
  }
}

const AddedToken* AddedTokenSplitter::MatchAt(std::string_view text, std::size_t at) const {
  for (const std::size_t i : by_first_byte_[static_cast<unsigned char>(text[at])]) {
    if (text.substr(at).starts_with(tokens_[i].content)) return &tokens_[i];
  }
  return nullptr;
}

bool AddedTokenSplitter::StandsAlone(std::string_view text, ByteRange range) const {
  return !Matches(word_at_edge_, LastCharacter(text.substr(0, range.begin))) &&
         !Matches(word_at_edge_, FirstCharacter(text.substr(range.end)));
}

Result<std::vector<Section>> AddedTokenSplitter::Split(std::string_view text) const {
  std::vector<Section> sections;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* token = MatchAt(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    ByteRange range{at, at + token->content.size()};
    at = range.end;
    if (token->single_word && !StandsAlone(text, range)) continue;
    while (token->lstrip && range.begin > done) {
      const std::string_view last = LastCharacter(text.substr(done, range.begin - done));
      if (!Matches(space_at_edge_, last)) break;
      range.begin -= last.size();
    }
    while (token->rstrip && range.end < text.size()) {
      const std::string_view next = FirstCharacter(text.substr(range.end));
      if (!Matches(space_at_edge_, next)) break;
      range.end += next.size();
    }
    if (range.begin > done) sections.push_back({{done, range.begin}, std::nullopt});
    sections.push_back({range, token->id});
    done = at = range.end;
  }
  if (done < text.size()) sections.push_back({{done, text.size()}, std::nullopt});
  return sections;
}

}  // namespace lathe::trainer::tokenizer
