#include "worker/trainer/data/encode.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lathe::trainer::data {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

tl::unexpected<Error> Bad(const std::string& what) {
  return Failure(ErrorCode::kInvalidArgument, what);
}

Result<std::string> Text(const Json& row, const char* key) {
  const auto found = row.find(key);
  if (found != row.end() && found->is_string()) return found->get<std::string>();
  return Bad(std::string("\"") + key + "\" must be a string");
}

Result<std::vector<std::int64_t>> Integers(const Json& row, const char* key) {
  const auto found = row.find(key);
  const bool is_list = found != row.end() && found->is_array() &&
                       std::all_of(found->begin(), found->end(),
                                   [](const Json& v) { return v.is_number_integer(); });
  if (!is_list) return Bad(std::string("\"") + key + "\" must be a list of integers");
  return found->get<std::vector<std::int64_t>>();
}

Result<Example> EncodeText(const std::string& text, std::size_t targets_from,
                           const TextModel& model) {
  LATHE_ASSIGN_OR_RETURN(const tokenizer::Encoding encoding,
                         model.tokenizer().EncodeWithRanges(text, tokenizer::SpecialTokens::kAdd));
  Example example;
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    const bool target = encoding.ranges[i].end > targets_from || targets_from == 0;
    example.tokens.push_back(encoding.ids[i]);
    example.labels.push_back(target ? encoding.ids[i] : kIgnoredLabel);
  }
  const auto end = model.tokenizer().special_ids().eos;
  if (end && (example.tokens.empty() || example.tokens.back() != *end)) {
    example.tokens.push_back(*end);
    example.labels.push_back(*end);
  }
  return example;
}

void AnswersFromLabels(Example& example) {
  example.answers.clear();
  const auto is_target = [&](std::size_t i) { return example.labels[i] != kIgnoredLabel; };
  for (std::size_t begin = 0; begin < example.labels.size();) {
    std::size_t end = begin;
    while (end < example.labels.size() && is_target(end)) ++end;
    if (begin > 0 && end > begin) example.answers.push_back({begin, end});
    begin = end + 1;
  }
}

Status CheckVocabulary(const Example& example, std::int64_t vocabulary) {
  const auto outside = [&](std::int64_t id) { return id < 0 || id >= vocabulary; };
  for (std::size_t i = 0; i < example.tokens.size(); ++i) {
    const std::int64_t label = example.labels[i];
    const bool wrong_label = label != kIgnoredLabel && outside(label);
    if (!wrong_label && !outside(example.tokens[i])) continue;
    return Bad((wrong_label ? "label " + std::to_string(label)
                            : "token " + std::to_string(example.tokens[i])) +
               " at position " + std::to_string(i) + " is outside the vocabulary of " +
               std::to_string(vocabulary));
  }
  return {};
}

}  // namespace lathe::trainer::data
