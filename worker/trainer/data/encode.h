#pragma once
// What the readers of rows share. Private to this room; pure functions.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/data/example.h"
#include "worker/trainer/data/text_model.h"

namespace lathe::trainer::data {

/// kInvalidArgument.
tl::unexpected<Error> Bad(const std::string& what);

/// The string under a key.
Result<std::string> Text(const nlohmann::ordered_json& row, const char* key);
/// The list of integers under a key.
Result<std::vector<std::int64_t>> Integers(const nlohmann::ordered_json& row, const char* key);

/// Plain text with the model's special tokens and the end-of-sequence token behind it; bytes before
/// `targets_from` are context only.
Result<Example> EncodeText(const std::string& text, std::size_t targets_from,
                           const TextModel& model);

/// Takes the runs of targets for the answers; not one that nothing stands in front of.
void AnswersFromLabels(Example& example);

/// kInvalidArgument when a token or label is no id below `vocabulary`. Also for rows of text: a
/// tokenizer with more tokens than its model has embeddings exists.
Status CheckVocabulary(const Example& example, std::int64_t vocabulary);

}  // namespace lathe::trainer::data
