#pragma once
// One row of a training file in any of the formats, as tokens and labels. Pure functions.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "worker/trainer/data/example.h"
#include "worker/trainer/data/text_model.h"

namespace lathe::trainer::data {

enum class Format : std::uint8_t {
  kMessages,          ///< {"messages": [{"role", "content"}], "tools"?}
  kPromptCompletion,  ///< {"prompt", "completion"}: two texts, or two lists of messages
  kInstruction,       ///< {"instruction", "input"?, "output", "system"?} (Alpaca)
  kShareGpt,          ///< {"conversations": [{"from", "value"}], "system"?}
  kText,              ///< {"text"}
  kTokenized,         ///< {"input_ids", "labels"}
  kPreference,        ///< two answers to one prompt: see preference.h
};
/// By the name in the configuration; nullopt for "auto" and what does not exist.
std::optional<Format> FormatFromName(std::string_view name);
std::string_view ToString(Format format);
/// By the keys of a row; nullopt when they fit no format.
std::optional<Format> DetectFormat(const nlohmann::ordered_json& row);

/// Which tokens are targets.
enum class LossOn : std::uint8_t {
  kFormatDefault,  ///< the assistant's or the completion's; all of a plain text
  kEverything,
  kCompletions,
};

struct RowSettings {
  Format format = Format::kMessages;
  LossOn loss_on = LossOn::kFormatDefault;
  std::int64_t vocabulary = 0;  ///< of the model; every id must be below
};

/// `text_model` may be null for kTokenized. kInvalidArgument says what is wrong with the row, also
/// when it has no target at all. Every format but kPreference.
Result<Example> EncodeRow(const nlohmann::ordered_json& row, const RowSettings& settings,
                          const TextModel* text_model);

}  // namespace lathe::trainer::data
