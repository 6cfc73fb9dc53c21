#pragma once
// What `generate` is asked: chats or texts, as tokens.

#include <istream>
#include <vector>

#include "worker/trainer/commands/generate.h"
#include "worker/trainer/data/text_model.h"

namespace lathe::trainer::commands {

/// One prompt from `in`, or one a line of the file of arguments.prompts: {"messages": [...]}, a
/// JSON string, or plain text, which is one message of a user's. kInvalidArgument names the line.
Result<std::vector<std::vector<std::int64_t>>> ReadPrompts(const GenerateArguments& arguments,
                                                           const data::TextModel& model,
                                                           std::istream& in);

}  // namespace lathe::trainer::commands
