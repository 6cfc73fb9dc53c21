#pragma once
// Options that a call's own description gives: a flag for each of its parameters.

#include <google/protobuf/message.h>

namespace CLI {
class App;
}

namespace lathe::cli {

/// Adds an option for each field of `call` that has the (parameter) option and holds a number or
/// texts: named as schema::OptionName says, with help, limits and default from its description.
/// Parsing sets the fields that are given. Ranges are left to the coordinator, which tells all that
/// is wrong at once. `call` must live until the command line is parsed.
void AddCallOptions(CLI::App& command, google::protobuf::Message& call);

}  // namespace lathe::cli
