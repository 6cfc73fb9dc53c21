#pragma once
// What a person and a caller learn of an error: lines on standard error and an exit code.

#include "common/base/error.h"

namespace lathe::trainer::commands {

/// An exit code of trainer_protocol.h.
int ExitCodeOf(const Error& error);

/// Prints "error: ..." and a line for each finding; returns ExitCodeOf.
int Report(const Error& error);

}  // namespace lathe::trainer::commands
