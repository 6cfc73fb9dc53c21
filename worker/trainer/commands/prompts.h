#pragma once
// What `generate` is asked: chats or texts, as tokens.

#include <istream>
#include <optional>
#include <vector>

#include "worker/trainer/commands/generate.h"
#include "worker/trainer/commands/speakers.h"
#include "worker/trainer/data/text_model.h"

namespace lathe::trainer::commands {

struct Prompt {
  std::vector<std::int64_t> tokens;
  std::optional<std::size_t> speaker;  ///< the one that it names
};

/// One prompt from `in`, or one a line of the file of arguments.prompts: {"messages": [...]},
/// {"text": "..."}, a JSON string, or plain text; a text is one message of a user's. An object may
/// say with "adapter" who answers, see Speakers::Find. kInvalidArgument names the line.
Result<std::vector<Prompt>> ReadPrompts(const GenerateArguments& arguments,
                                        const data::TextModel& model, std::istream& in,
                                        Speakers& speakers);

}  // namespace lathe::trainer::commands
