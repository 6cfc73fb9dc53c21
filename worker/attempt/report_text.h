#pragma once
// What an attempt's end looks like to the coordinator. Pure but for LastLines; thread-safe.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lathe/v1/worker_service.pb.h"
#include "worker/agent/events.h"
#include "worker/attempt/checkpoint_uploader.h"
#include "worker/process/outcome.h"

namespace lathe::worker::attempt {

/// Why a trainer was killed, for the report's message.
std::string Sentence(agent::KillReason reason);

agent::ReportPhase PhaseOf(process::OutcomeKind kind);
v1::AttemptPhase ToProto(agent::ReportPhase phase);
/// nullopt for an unspecified or unknown phase.
std::optional<agent::ReportPhase> FromProto(v1::AttemptPhase phase);

/// How an attempt ends that was stopped (no reason) or killed before its trainer ran.
process::Outcome StoppedBeforeStart(const std::string& kill_reason);

/// Sets all but the manifests.
void FillReport(const agent::AttemptKey& key, const process::Outcome& outcome,
                v1::AttemptReport& report);

v1::CheckpointReport CheckpointReportOf(const agent::AttemptKey& key,
                                        const UploadedCheckpoint& uploaded);

/// The last lines of a trainer's log, at most ten and 4 KiB; none when there is no log.
std::vector<std::string> LastLines(const std::filesystem::path& log);

}  // namespace lathe::worker::attempt
