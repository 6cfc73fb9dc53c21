#pragma once
// How results, errors and findings reach the two streams, in the form that was asked for.

#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "coordinator/cli/context.h"
#include "coordinator/cli/output/document.h"

namespace lathe::cli {

/// Writes data to standard output: `text` in table form, else the document.
void PrintResult(Context& context, const Document& document, std::string_view text);

/// Writes an error to standard error: "error: what", its findings as a table, "hint: ...". With
/// JSON or YAML it is one document instead: {"error": {code, message, hint, findings, exitCode}}.
void PrintError(Context& context, const Error& error, ExitCode exit_code);

/// Writes findings to standard error, worst first; nothing when there are none.
void PrintFindings(Context& context, const std::vector<Finding>& findings);

/// A line on standard error for people; silent unless the output form is table.
void Note(Context& context, std::string_view line);

Document FindingsDocument(const std::vector<Finding>& findings);

/// The text in the colour where colour is welcome: 31 red, 32 green, 33 yellow, 36 cyan, 1 bold, 2
/// faint.
std::string Colored(const Terminal& terminal, int code, std::string_view text);

}  // namespace lathe::cli
