#pragma once
// The contract between whoever starts `lathe-trainer run PLAN.json` and the trainer: names of files
// and keys, event types, exit codes. Text only, so that a person can follow along with `tail -f`.
//
// PLAN.json
//   {"planVersion": 1, "jobId": "...", "attempt": 1, "device": "cpu|cuda:0",
//    "configuration": { JobConfiguration as JSON },
//    "paths": {"baseModel", "train", "validation"|null, "output", "initAdapter"|null},
//    "distributed": {"worldSize": 1, "baseWeights": "auto|replicated|sharded"}}
//
// Several processes of one job run the same plan and learn from their environment which of them
// each is: RANK, WORLD_SIZE (as in the plan), LOCAL_RANK, and where they meet, kRendezvousVariable
// or MASTER_ADDR and MASTER_PORT. Rank 0 alone writes; a signal to any of them counts for all. When
// one ends, the others cannot go on. The frozen base weights are in each of them (replicated), or a
// part of them in each (sharded); left open, the trainer decides by the memory that there is.
//
// OUTPUT/events.jsonl, one JSON object a line, appended and never rewritten:
//   {"seq": 1, "time": "RFC 3339", "type": "...", ...}
//   seq starts at 1 and has no gap, over all runs of the same plan. Each step has exactly one
//   metric line: a run that repeats steps after a crash computes the same values and does not log
//   them again.
// A line without its newline is still being written: readers leave it for later.
//
// Signals: TERM = write a checkpoint and leave with kExitInterrupted; USR1 = write a checkpoint
// now.

namespace lathe::trainer_protocol {

inline constexpr int kPlanVersion = 1;

// Files below paths.output.
inline constexpr char kEventLogFile[] = "events.jsonl";
inline constexpr char kCheckpointsFolder[] = "checkpoints";  ///< one step-N folder a checkpoint
inline constexpr char kAdapterFolder[] = "adapter";          ///< PEFT layout, when succeeded
/// Held with flock(2) while a trainer works on the folder: a second one is refused.
inline constexpr char kLockFile[] = "trainer.lock";

// Environment of the processes of one job on one machine.
inline constexpr char kRankVariable[] = "RANK";
inline constexpr char kLocalRankVariable[] = "LOCAL_RANK";
inline constexpr char kWorldSizeVariable[] = "WORLD_SIZE";
/// A path at which they meet; nothing may be there before the first of them comes.
inline constexpr char kRendezvousVariable[] = "LATHE_RENDEZVOUS_FILE";

// Event types and what they carry beside seq, time, type.
/// {attempt, device, threads, processes, totalSteps, stepsDone, trainableParameters,
///  totalParameters, baseWeights: "replicated"|"sharded", trainExamples, validationExamples,
///  cutRows, cutTokens, droppedRows, droppedTokens}: once a run of the program, before the first
///  step. The last four say what datasets.longRows has done to both files.
inline constexpr char kEventStarted[] = "started";
/// {step, epoch, loss, learningRate, gradientNorm, targetTokens, skippedSteps, tokensPerSecond,
///  memoryBytes}; memoryBytes is of all processes together; skippedSteps counts those since the
///  beginning whose gradient was not finite;
/// of supervised data {tokenAccuracy}, the share of targets that are what the model finds
/// likeliest; of preference data {rewardChosen, rewardRejected, rewardMargin, rewardAccuracy}
inline constexpr char kEventMetric[] = "metric";
/// {step, epoch, loss, targetTokens}: the validation set; and accuracy or rewards as in
/// kEventMetric, and of supervised data {perplexity}: e to the loss. Where evaluation.metrics asks
/// for them and the data has such answers {toolAccuracy, responseQuality}, both 0 to 1, with
/// {generatedAnswers, generatedTokens}.
inline constexpr char kEventEvaluation[] = "evaluation";
/// {step, path, bytes}: a complete checkpoint lies at `path`, relative to the output folder.
inline constexpr char kEventCheckpoint[] = "checkpoint";
/// {message}: something a person should know; training goes on.
inline constexpr char kEventWarning[] = "warning";
/// {phase: "loading"|"tokenizing"|"reference"|"training"|"evaluating"|"saving"}
inline constexpr char kEventPhase[] = "phase";
/// {step, adapterStep, loss, evaluationLoss|null, seconds, files: [{path, bytes}]}: last line of a
/// job that succeeded; paths are relative to the output folder. adapterStep is the step whose
/// values the adapter has: the best evaluation's with early stopping, else the last.
inline constexpr char kEventSucceeded[] = "succeeded";
/// {step}: last line of a run that was told to leave (TERM) and wrote a checkpoint.
inline constexpr char kEventInterrupted[] = "interrupted";
/// {code, message, findings?}: last line of a run that failed.
inline constexpr char kEventFailed[] = "failed";

// Exit codes of `lathe-trainer`.
inline constexpr int kExitSucceeded = 0;
inline constexpr int kExitFailed = 1;  ///< trainer or node fault: another try may succeed
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInvalid = 6;  ///< the plan, model or data is wrong: do not try again
inline constexpr int kExitOutOfMemory = 70;
inline constexpr int kExitDiskFull = 73;
inline constexpr int kExitInterrupted = 75;  ///< TERM: a checkpoint is written, run again to go on

}  // namespace lathe::trainer_protocol
