#include "common/domain/progress.h"

#include <algorithm>

namespace lathe::domain {
namespace {

void ApplyStep(Progress& progress, std::uint64_t step, Instant time) {
  progress.step = step;
  progress.last_step_time = time;
  if (!progress.pace_since) {
    progress.pace_since = time;
    progress.pace_step = step;
  }
}

void ApplyEvaluation(Progress& progress, const ProgressUpdate& update) {
  const auto take = [](std::optional<double>& to, const std::optional<double>& from) {
    if (from) to = from;
  };
  take(progress.evaluation_loss, update.evaluation_loss);
  take(progress.evaluation_perplexity, update.evaluation_perplexity);
  take(progress.evaluation_tool_accuracy, update.evaluation_tool_accuracy);
  take(progress.evaluation_response_quality, update.evaluation_response_quality);
}

/// A run of the trainer that begins to train. What came before it in this attempt are steps of an
/// older run, sent late with their old times: no measure of the present pace.
bool BeginsTraining(const Progress& before, const ProgressUpdate& update) {
  const bool preparing = before.phase.empty() || before.phase == "loading" ||
                         before.phase == "tokenizing" || before.phase == "reference";
  return preparing && update.phase == "training";
}

}  // namespace

void Apply(Progress& progress, const ProgressUpdate& update) {
  if (update.total_steps) progress.total_steps = *update.total_steps;
  if (BeginsTraining(progress, update)) progress.pace_since.reset();
  if (update.phase) progress.phase = *update.phase;
  ApplyEvaluation(progress, update);
  if (!update.step || *update.step <= progress.step) return;
  ApplyStep(progress, *update.step, update.time);
  if (update.epoch) progress.epoch = *update.epoch;
  if (update.loss) progress.loss = update.loss;
  if (update.token_accuracy) progress.token_accuracy = update.token_accuracy;
  if (update.tokens_per_second) progress.tokens_per_second = *update.tokens_per_second;
}

void RestartPace(Progress& progress) {
  progress.pace_since.reset();
  progress.pace_step = 0;
  progress.phase.clear();
}

double Fraction(const Progress& progress) {
  if (progress.total_steps == 0) return 0;
  const double done = static_cast<double>(progress.step);
  return std::min(1.0, done / static_cast<double>(progress.total_steps));
}

std::optional<double> EtaSeconds(const Progress& progress) {
  if (!progress.pace_since || progress.step <= progress.pace_step) return std::nullopt;
  if (progress.total_steps < progress.step) return std::nullopt;
  const std::chrono::duration<double> elapsed = progress.last_step_time - *progress.pace_since;
  const double steps = static_cast<double>(progress.step - progress.pace_step);
  return elapsed.count() / steps * static_cast<double>(progress.total_steps - progress.step);
}

}  // namespace lathe::domain
