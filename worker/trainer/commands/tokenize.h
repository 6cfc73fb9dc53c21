#pragma once
// `lathe-trainer tokenize MODEL`: a line in, a line out.
//
//   "text"                   -> {"ids": [...]}                   no special tokens added
//   [id, ...]                -> {"text"}                         what they say
//   {"messages": [...], ...} -> {"ids", "text", "assistant_mask"}
//
// assistant_mask has 1 for the tokens that the assistant says; null (with the reason on standard
// error) when the model's chat template rewrites earlier turns, so that nobody can tell.

#include <filesystem>
#include <istream>
#include <ostream>

namespace lathe::trainer::commands {

/// Returns an exit code: kExitInvalid at the first bad line, which standard error names.
int RunTokenize(const std::filesystem::path& model, std::istream& in, std::ostream& out);

}  // namespace lathe::trainer::commands
