#pragma once
// `lathe-trainer capabilities`: what this program can do of all that a configuration can ask for.
// The coordinator checks configurations against it before a job is queued.

#include <iosfwd>

namespace lathe::trainer::commands {

/// {devices: {cpu: {path: [token, ...], ...}, cuda: ...}, withoutEffect: {path: why, ...}}. `cuda`
/// is there when this program and this machine have it.
int RunCapabilities(std::ostream& out);

}  // namespace lathe::trainer::commands
