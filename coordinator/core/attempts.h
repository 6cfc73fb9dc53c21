#pragma once
// How attempts end and what follows: success, retries by failure class, completed cancellations.

#include "common/domain/attempt.h"
#include "coordinator/core/transaction.h"

namespace lathe::core {

/// Whether that is the job's live attempt, on that node. Everything else is stale.
bool IsCurrent(const domain::Job* job, const domain::AttemptKey& key, const domain::NodeId& node);

/// The command that brings a job's live attempt to its node.
StartAttempt OrderFor(const domain::Job& job);

/// Records what a node says of an attempt, or refuses it as stale; acknowledges it in both cases.
void HandleReport(Transaction& tx, const NodeEntry& node, const domain::AttemptReport& report);

/// The live attempt is gone without a report: the job waits again, or its cancellation is complete.
void LoseAttempt(Transaction& tx, const domain::JobId& id, domain::Reason reason);

/// Why a live job that is to end still goes on.
domain::Reason CancellingReason(const domain::Job& job);

/// `detail` is a sentence of its own; may be empty.
void CompleteCancel(Transaction& tx, const domain::JobId& id, const std::string& detail = "");

/// The wait before the next try after that many faults in a row (at least 1).
Duration RetryDelay(const Settings& settings, std::uint32_t faults);

}  // namespace lathe::core
