#pragma once
// A row of preference data as a pair of examples. Pure functions.
//
//   {"prompt": text, "chosen": text, "rejected": text}
//   {"chosen": text, "rejected": text}               the prompt is what both begin with
//   {"prompt": messages, "chosen": messages, "rejected": messages, "tools"?}
//   {"chosen": messages, "rejected": messages}       the prompt is the messages that both begin
//   with
//   {"prompt_ids": ids, "chosen_ids": ids, "rejected_ids": ids}
//
// as the Python library trl reads them (extract_prompt and tokenize_fn of its DPOTrainer): a space
// between an implicit prompt and the answers belongs to the answers, texts end with the model's
// end-of-sequence token, and a text under "prompt" beside lists of messages that hold the prompt
// themselves is ignored. An answer's tokens are all those behind the rendered prompt; where a list
// of messages has other speakers than the assistant in it, what they say is context.

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"
#include "worker/trainer/data/example.h"
#include "worker/trainer/data/text_model.h"

namespace lathe::trainer::data {

/// Whether a row holds tokens already, so that no text model is needed.
bool IsTokenizedPair(const nlohmann::ordered_json& row);

/// `text_model` may be null for tokens. kInvalidArgument says what is wrong with the row, also when
/// the answers are equal or one of them is empty.
Result<Pair> EncodePair(const nlohmann::ordered_json& row, std::int64_t vocabulary,
                        const TextModel* text_model);

}  // namespace lathe::trainer::data
