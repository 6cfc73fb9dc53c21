#pragma once
// The command line of `lathe-trainer`: commands and their arguments.

namespace lathe::trainer::commands {

/// Does what the arguments say; returns an exit code of trainer_protocol.h.
int RunCommandLine(int argc, const char* const* argv);

}  // namespace lathe::trainer::commands
