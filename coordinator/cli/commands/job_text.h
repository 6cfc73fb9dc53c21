#pragma once
// A job as lines for people. Pure.

#include <string>

#include "coordinator/cli/context.h"
#include "coordinator/cli/output/table.h"
#include "lathe/v1/job.pb.h"

namespace lathe::cli {

/// "running"
std::string StateToken(v1::JobState state);
bool IsFinal(v1::JobState state);
/// The state in its colour: green succeeded, red failed, yellow waiting.
std::string ColoredState(const Terminal& terminal, v1::JobState state);

/// "42/84 (50 %)", or empty before the first step.
std::string ProgressText(const v1::Progress& progress);

/// Whether this cluster runs it, not an engine beyond it.
bool IsOnCluster(const v1::Job& job);

/// Where it is: its node, or the engine with its own id of the job; empty before it is anywhere.
std::string PlaceText(const v1::Job& job);

/// "2m 05s ago"; empty when the time is not set.
std::string AgeText(const google::protobuf::Timestamp& time, std::int64_t now_seconds);

std::int64_t NowSeconds();

}  // namespace lathe::cli
