#pragma once
// What an engine's answers mean for a job of ours: sentences for people, and the reports that the
// core gets. Pure.

#include <optional>
#include <string>

#include "common/base/error.h"
#include "common/domain/attempt.h"
#include "common/domain/job.h"
#include "coordinator/providers/engine.h"
#include "coordinator/providers/remote_job.h"

namespace lathe::engine_jobs {

/// The name of an attempt at the engine, by which it is found again: short enough for all of them.
std::string MarkerOf(const domain::AttemptKey& attempt);

/// Whether the same call may succeed later; all else is the engine's refusal.
bool MayPass(ErrorCode code);

/// "OpenAI doesn't answer: ...".
std::string SayAway(const providers::Engine& engine, const Error& error);

/// Where the job stands there: "At OpenAI as ftjob-1: running, 40 % done."
std::string SayStanding(const providers::Engine& engine, const providers::RemoteJob& job);

/// How the attempt has ended there; nullopt while it has not.
std::optional<domain::AttemptReport> EndOf(const providers::Engine& engine,
                                           const domain::AttemptKey& attempt,
                                           const providers::RemoteJob& job);

/// It has failed for a reason that trying again would not change.
domain::AttemptReport Refused(const domain::AttemptKey& attempt, std::string message);
/// It has ended there, or never began, because it was cancelled.
domain::AttemptReport Ended(const domain::AttemptKey& attempt, std::string message);

}  // namespace lathe::engine_jobs
