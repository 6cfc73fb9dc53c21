// Reads Hugging Face's tokenizer.json (https://huggingface.co/docs/tokenizers). A component that
// belongs to neither byte-level nor SentencePiece's BPE is refused by its name.

#include <nlohmann/json.hpp>

#include "worker/trainer/tokenizer/tokenizer.h"

namespace lathe::trainer::tokenizer {
namespace {

using nlohmann::json;

tl::unexpected<Error> Unsupported(const std::string& what) {
  return Failure(ErrorCode::kInvalidArgument,
                 what + " is not supported; BPE of bytes or characters is");
}
tl::unexpected<Error> Malformed(const std::string& what) {
  return Failure(ErrorCode::kDataLoss, what + " is malformed");
}

/// A member, or null when it is missing or the value is no object.
const json& Member(const json& object, const char* key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string Text(const json& object, const char* key) {
  const json& value = Member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool Flag(const json& object, const char* key, bool fallback) {
  const json& value = Member(object, key);
  return value.is_boolean() ? value.get<bool>() : fallback;
}

/// The pattern of a Split or a Replace: a regular expression or plain text.
Result<Regex> ReadPattern(const json& node, const char* component) {
  const json& pattern = Member(node, "pattern");
  const std::string regex = Text(pattern, "Regex");
  const std::string literal = Text(pattern, "String");
  if (regex.empty() && literal.empty()) return Malformed(std::string(component) + "'s pattern");
  return regex.empty() ? Regex::Literal(literal) : Regex::Compile(regex);
}

std::optional<NormalForm> FormNamed(const std::string& name) {
  if (name == "NFC") return NormalForm::kNfc;
  if (name == "NFD") return NormalForm::kNfd;
  if (name == "NFKC") return NormalForm::kNfkc;
  if (name == "NFKD") return NormalForm::kNfkd;
  return std::nullopt;
}

Status ReadNormalizer(const json& node, TokenizerParts& parts) {
  if (node.is_null()) return {};
  const std::string type = Text(node, "type");
  if (type == "Sequence") {
    const json& members = Member(node, "normalizers");
    if (!members.is_array()) return Malformed("normalizer Sequence");
    for (const json& member : members) {
      if (Text(member, "type") == "Sequence") return Unsupported("a nested normalizer Sequence");
      LATHE_RETURN_IF_ERROR(ReadNormalizer(member, parts));
    }
    return {};
  }
  if (const auto form = FormNamed(type)) {
    parts.normalizer.emplace_back(*form);
  } else if (type == "Prepend") {
    parts.normalizer.emplace_back(Prepend{Text(node, "prepend")});
  } else if (type == "Replace") {
    LATHE_ASSIGN_OR_RETURN(Regex pattern, ReadPattern(node, "normalizer Replace"));
    parts.normalizer.emplace_back(Replace{std::move(pattern), Text(node, "content")});
  } else {
    return Unsupported("normalizer " + (type.empty() ? node.dump().substr(0, 80) : type));
  }
  return {};
}

Result<SplitBehavior> ReadBehavior(const std::string& name) {
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return Unsupported("pre_tokenizer Split with behavior \"" + name + "\"");
}

Result<SplitStep> ReadSplit(const json& node) {
  LATHE_ASSIGN_OR_RETURN(Regex compiled, ReadPattern(node, "pre_tokenizer Split"));
  LATHE_ASSIGN_OR_RETURN(const SplitBehavior behavior, ReadBehavior(Text(node, "behavior")));
  return SplitStep{std::move(compiled), behavior, Flag(node, "invert", false)};
}

Status AddPattern(std::string_view pattern, SplitBehavior behavior, PreTokenizer& out) {
  LATHE_ASSIGN_OR_RETURN(Regex regex, Regex::Compile(pattern));
  out.steps.push_back({std::move(regex), behavior, false});
  return {};
}

Result<Metaspace::Prefix> ReadPrefixScheme(const json& node) {
  const std::string scheme = Text(node, "prepend_scheme");
  if (scheme == "never") return Metaspace::Prefix::kNever;
  if (scheme == "first") return Metaspace::Prefix::kFirst;
  if (scheme == "always") return Metaspace::Prefix::kAlways;
  if (!scheme.empty()) return Unsupported("Metaspace with prepend_scheme \"" + scheme + "\"");
  return Flag(node, "add_prefix_space", true) ? Metaspace::Prefix::kAlways
                                              : Metaspace::Prefix::kNever;
}

Status ReadMetaspace(const json& node, PreTokenizer& out) {
  if (!out.steps.empty()) return Unsupported("Metaspace after another split");
  Metaspace metaspace;
  if (const std::string mark = Text(node, "replacement"); !mark.empty()) metaspace.mark = mark;
  LATHE_ASSIGN_OR_RETURN(metaspace.prefix, ReadPrefixScheme(node));
  if (Flag(node, "split", true)) {
    LATHE_ASSIGN_OR_RETURN(Regex mark, Regex::Literal(metaspace.mark));
    out.steps.push_back({std::move(mark), SplitBehavior::kMergedWithNext, false});
  }
  out.metaspace = std::move(metaspace);
  return {};
}

struct PreTokenizerState {
  PreTokenizer out;
  bool byte_level = false;
};

Status ReadPreTokenizerPart(const json& node, PreTokenizerState& state) {
  const std::string type = Text(node, "type");
  if (state.byte_level) return Unsupported("pre_tokenizer " + type + " after ByteLevel");
  if (type == "ByteLevel") {
    state.byte_level = true;
    if (Flag(node, "add_prefix_space", true)) {
      if (!state.out.steps.empty()) return Unsupported("add_prefix_space after another split");
      state.out.add_prefix_space = true;
    }
    if (!Flag(node, "use_regex", true)) return {};
    return AddPattern(kGpt2Pattern, SplitBehavior::kIsolated, state.out);
  }
  if (type == "Metaspace") return ReadMetaspace(node, state.out);
  if (type == "Digits") {
    const bool individual = Flag(node, "individual_digits", false);
    return AddPattern(
        R"(\p{N})", individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous, state.out);
  }
  if (type == "Split") {
    LATHE_ASSIGN_OR_RETURN(SplitStep step, ReadSplit(node));
    state.out.steps.push_back(std::move(step));
    return {};
  }
  return Unsupported("pre_tokenizer " + (type.empty() ? node.dump().substr(0, 80) : type));
}

Status ReadPreTokenizer(const json& node, TokenizerParts& parts) {
  PreTokenizerState state;
  if (Text(node, "type") == "Sequence") {
    const json& members = Member(node, "pretokenizers");
    if (!members.is_array()) return Malformed("pre_tokenizer Sequence");
    for (const json& member : members) {
      LATHE_RETURN_IF_ERROR(ReadPreTokenizerPart(member, state));
    }
  } else if (!node.is_null()) {
    LATHE_RETURN_IF_ERROR(ReadPreTokenizerPart(node, state));
  }
  if (state.byte_level && state.out.metaspace) return Unsupported("Metaspace with ByteLevel");
  parts.model.spelling = state.byte_level ? Spelling::kBytes : Spelling::kCharacters;
  parts.pre_tokenizer = std::move(state.out);
  return {};
}

Result<std::pair<std::string, std::string>> ReadMerge(const json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space != std::string::npos) {
      return std::pair(text.substr(0, space), text.substr(space + 1));
    }
  }
  return Malformed("merge " + merge.dump().substr(0, 80));
}

Status CheckModelOptions(const json& model) {
  const std::string type = Text(model, "type");
  if (!type.empty() && type != "BPE") return Unsupported("model " + type);
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!Text(model, affix).empty()) return Unsupported(std::string("model option ") + affix);
  }
  const json& dropout = Member(model, "dropout");
  if (dropout.is_number() && dropout.get<double>() != 0) {
    return Unsupported("model option dropout");
  }
  return {};
}

Status ReadModel(const json& model, BpeModel& out) {
  LATHE_RETURN_IF_ERROR(CheckModelOptions(model));
  const json& vocabulary = Member(model, "vocab");
  const json& merges = Member(model, "merges");
  if (!vocabulary.is_object() || !merges.is_array())
    return Malformed("model.vocab or model.merges");
  out.vocabulary.reserve(vocabulary.size());
  for (const auto& [token, id] : vocabulary.items()) {
    if (!id.is_number_integer()) return Malformed("the id of token \"" + token + "\"");
    out.vocabulary.emplace(token, id.get<std::int32_t>());
  }
  out.merges.reserve(merges.size());
  for (const json& merge : merges) {
    LATHE_ASSIGN_OR_RETURN(auto pair, ReadMerge(merge));
    out.merges.push_back(std::move(pair));
  }
  out.ignore_merges = Flag(model, "ignore_merges", false);
  out.fuse_unknown = Flag(model, "fuse_unk", false);
  out.byte_fallback = Flag(model, "byte_fallback", false);
  if (const std::string unknown = Text(model, "unk_token"); !unknown.empty()) {
    const auto found = out.vocabulary.find(unknown);
    if (found != out.vocabulary.end()) out.unknown = found->second;
  }
  return {};
}

Status ReadAddedTokens(const json& node, TokenizerParts& parts) {
  if (node.is_null()) return {};
  if (!node.is_array()) return Malformed("added_tokens");
  for (const json& entry : node) {
    const json& id = Member(entry, "id");
    if (!id.is_number_integer() || !Member(entry, "content").is_string()) {
      return Malformed("an entry of added_tokens");
    }
    const bool special = Flag(entry, "special", false);
    parts.added_tokens.push_back({.content = Text(entry, "content"),
                                  .id = id.get<std::int32_t>(),
                                  .special = special,
                                  .normalized = Flag(entry, "normalized", !special),
                                  .lstrip = Flag(entry, "lstrip", false),
                                  .rstrip = Flag(entry, "rstrip", false),
                                  .single_word = Flag(entry, "single_word", false)});
  }
  return {};
}

/// The `single` template: special tokens before and after the sequence.
Status ReadTemplate(const json& node, TokenizerParts& parts) {
  const json& items = Member(node, "single");
  if (!items.is_array()) return Malformed("post_processor TemplateProcessing");
  bool after = false;
  for (const json& item : items) {
    if (item.is_object() && item.contains("Sequence")) {
      after = true;
      continue;
    }
    const std::string name = Text(Member(item, "SpecialToken"), "id");
    const json& ids = Member(Member(Member(node, "special_tokens"), name.c_str()), "ids");
    if (!ids.is_array()) return Malformed("special token \"" + name + "\" of post_processor");
    for (const json& id : ids) {
      if (!id.is_number_integer()) return Malformed("special token \"" + name + "\"");
      (after ? parts.suffix : parts.prefix).push_back(id.get<std::int32_t>());
    }
  }
  return {};
}

Status ReadPostProcessor(const json& node, TokenizerParts& parts) {
  if (node.is_null()) return {};
  const std::string type = Text(node, "type");
  if (type == "ByteLevel") return {};  // Changes offsets only.
  if (type == "TemplateProcessing") return ReadTemplate(node, parts);
  if (type == "Sequence" && Member(node, "processors").is_array()) {
    for (const json& member : Member(node, "processors")) {
      if (Text(member, "type") == "Sequence")
        return Unsupported("a nested post_processor Sequence");
      LATHE_RETURN_IF_ERROR(ReadPostProcessor(member, parts));
    }
    return {};
  }
  return Unsupported("post_processor " + type);
}

/// Strip in its one use: the space that encoding put before the text.
Status ReadStrip(const json& node, DecodeRules& out) {
  const json& start = Member(node, "start");
  const json& stop = Member(node, "stop");
  if (Text(node, "content") != " " || start != json(1) || stop != json(0)) {
    return Unsupported("decoder Strip other than of one leading space");
  }
  out.leading = DecodeRules::Leading::kDropSpace;
  return {};
}

/// Parts of a decoder for tokens of characters, in the order in which they have to come.
Status ReadCharacterDecoder(const json& node, TokenizerParts& parts) {
  DecodeRules& out = parts.decode;
  const std::string type = Text(node, "type");
  if (type == "Sequence" && Member(node, "decoders").is_array()) {
    for (const json& member : Member(node, "decoders")) {
      if (Text(member, "type") == "Sequence") return Unsupported("a nested decoder Sequence");
      LATHE_RETURN_IF_ERROR(ReadCharacterDecoder(member, parts));
    }
    return {};
  }
  if (type == "Fuse") return {};
  if (type == "ByteFallback") {
    out.bytes = true;
    return {};
  }
  if (type == "Strip") return ReadStrip(node, out);
  if (type == "Replace") {
    if (!out.mark.empty() || Text(node, "content") != " ") return Unsupported("decoder Replace");
    out.mark = Text(Member(node, "pattern"), "String");
    return out.mark.empty() ? Status(Unsupported("decoder Replace")) : Status();
  }
  if (type == "Metaspace") {
    out.mark = Text(node, "replacement");
    LATHE_ASSIGN_OR_RETURN(const Metaspace::Prefix prefix, ReadPrefixScheme(node));
    if (prefix == Metaspace::Prefix::kNever) return {};
    out.leading = DecodeRules::Leading::kDropMarksOfFirstToken;
    return {};
  }
  return Unsupported("decoder " + (type.empty() ? node.dump().substr(0, 80) : type));
}

Status ReadDecoder(const json& node, TokenizerParts& parts) {
  if (parts.model.spelling == Spelling::kCharacters) return ReadCharacterDecoder(node, parts);
  const std::string type = Text(node, "type");
  if (!type.empty() && type != "ByteLevel") return Unsupported("decoder " + type);
  return {};
}

Result<TokenizerParts> ReadParts(std::string_view text) {
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object()) return Malformed("the JSON");
  TokenizerParts parts;
  LATHE_RETURN_IF_ERROR(ReadNormalizer(Member(root, "normalizer"), parts));
  LATHE_RETURN_IF_ERROR(ReadModel(Member(root, "model"), parts.model));
  LATHE_RETURN_IF_ERROR(ReadPreTokenizer(Member(root, "pre_tokenizer"), parts));
  LATHE_RETURN_IF_ERROR(ReadAddedTokens(Member(root, "added_tokens"), parts));
  LATHE_RETURN_IF_ERROR(ReadPostProcessor(Member(root, "post_processor"), parts));
  LATHE_RETURN_IF_ERROR(ReadDecoder(Member(root, "decoder"), parts));
  return parts;
}

}  // namespace

Result<Tokenizer> Tokenizer::FromJson(std::string_view json_text, std::string_view origin) {
  auto parts = ReadParts(json_text);
  if (!parts) return Failure(parts.error().WithContext(origin));
  auto made = Create(*std::move(parts));
  if (!made) return Failure(made.error().WithContext(origin));
  return made;
}

}  // namespace lathe::trainer::tokenizer
