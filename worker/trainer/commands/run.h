#pragma once
// `lathe-trainer run PLAN.json`.

#include <filesystem>

namespace lathe::trainer::commands {

/// Returns an exit code of trainer_protocol.h; says on standard error what went wrong. Call it
/// before any thread is started: it blocks the signals that it obeys.
int RunPlanFile(const std::filesystem::path& plan_file);

}  // namespace lathe::trainer::commands
