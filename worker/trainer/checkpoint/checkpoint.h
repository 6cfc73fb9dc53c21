#pragma once
// Checkpoints from which a run goes on bit for bit: CHECKPOINTS/step-N holds what is trained (of
// an adapter, in the form in which it loads elsewhere), the optimizer's moments and the progress.
// Randomness needs no state: data
// order and dropout are functions of the seed and the step. A checkpoint is written under a
// temporary name, synced and renamed, and every file has a checksum, so that a torn or damaged one
// is never taken for whole.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/optim/loss_scale.h"
#include "worker/trainer/optim/optimizer.h"

namespace lathe::trainer::checkpoint {

/// Where a run stands after `step` completed steps.
struct Progress {
  std::int64_t step = 0;
  std::int64_t evaluated_step = 0;        ///< the step of the last evaluation
  double loss = 0;                        ///< of the last step
  std::optional<double> evaluation_loss;  ///< of the last evaluation
  std::optional<double> best_evaluation_loss;
  std::int64_t best_step = 0;  ///< of that evaluation; 0: none yet
  std::int64_t evaluations_without_gain = 0;
  bool stopped_early = false;
  std::int64_t nonfinite_in_a_row = 0;
  std::int64_t skipped_steps = 0;  ///< in all, because a gradient was not finite
  optim::LossScale loss_scale;     ///< fp16 alone changes it
  double seconds = 0;              ///< spent training, over all runs
};

/// What a checkpoint belongs to.
struct Identity {
  std::string settings;  ///< hash of all that the result depends on
  std::string base_model_name;
};

struct Written {
  std::filesystem::path path;
  std::int64_t bytes = 0;
};

/// Writes CHECKPOINTS/step-N. On failure (kResourceExhausted: disk full) nothing is left behind.
Result<Written> Write(const std::filesystem::path& checkpoints, const Identity& identity,
                      const Progress& progress, const adapters::Trainable& trainable,
                      const optim::OptimizerState& optimizer);

struct Restored {
  std::optional<Progress> progress;   ///< nullopt: there is nothing to go on from
  std::vector<std::string> warnings;  ///< a sentence for each damaged checkpoint
};

/// Loads the newest intact checkpoint. kFailedPrecondition when it belongs to other settings.
Result<Restored> RestoreNewest(const std::filesystem::path& checkpoints, const Identity& identity,
                               const adapters::Trainable& trainable,
                               optim::OptimizerState& optimizer);

/// The values of the checkpoint of that step alone. kDataLoss when it is
/// not there or damaged.
Status RestoreValues(const std::filesystem::path& checkpoints, std::int64_t step,
                     const adapters::Trainable& trainable);

struct Retention {
  std::int64_t keep = 1;  ///< so many checkpoints: the newest, and the best of them all
  std::int64_t step = 0;  ///< where the run stands
  std::int64_t best = 0;  ///< the step of the best one; 0: none
};
/// Removes older checkpoints than those to keep, and what interrupted writes left. When one is to
/// be kept and the best is not the newest, both stay. Those beyond the
/// run's step do not count and stay: they are damaged ones that the run will write anew.
void Prune(const std::filesystem::path& checkpoints, const Retention& retention);
/// Removes the checkpoint of that step, if there is one.
void Remove(const std::filesystem::path& checkpoints, std::int64_t step);

}  // namespace lathe::trainer::checkpoint
