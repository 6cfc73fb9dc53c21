#include "worker/trainer/objectives/preference.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <numeric>

#include "common/base/check.h"

namespace lathe::trainer::objectives {
namespace {

double LogSigmoid(double x) {
  return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x));
}

double Sigmoid(double x) {
  return std::exp(LogSigmoid(x));
}

/// Losses of targets as log-probabilities of sequences; in order and in fp64.
std::vector<double> SumBySequence(const at::Tensor& of_targets,
                                  const std::vector<std::int64_t>& per_sequence) {
  const at::Tensor losses = of_targets.to(at::kCPU);
  const auto* next = static_cast<const float*>(losses.data_ptr());
  std::vector<double> sums;
  for (const std::int64_t count : per_sequence) {
    sums.push_back(-std::accumulate(next, next + count, 0.0));
    next += count;
  }
  return sums;
}

/// A value for each sequence, repeated for each of its targets.
at::Tensor RepeatForTargets(const std::vector<double>& values,
                            const std::vector<std::int64_t>& per_sequence) {
  at::Tensor repeated = at::empty(
      {std::accumulate(per_sequence.begin(), per_sequence.end(), std::int64_t{0})}, at::kFloat);
  auto* next = static_cast<float*>(repeated.data_ptr());
  for (std::size_t i = 0; i < values.size(); ++i) {
    next = std::fill_n(next, per_sequence[i], static_cast<float>(values[i]));
  }
  return repeated;
}

struct Scored {
  ObjectiveOutput output;
  std::vector<double> factors;  ///< of the gradient of each sequence's losses (-log p)
};

Scored Score(const PreferenceSettings& settings, const ObjectiveInput& input,
             const at::Tensor& losses) {
  const std::vector<std::int64_t>& tokens = input.targets.per_sequence;
  LATHE_CHECK(tokens.size() % 2 == 0, "preference batches consist of pairs");
  const std::vector<double> sums = SumBySequence(losses, tokens);
  const auto answer = [&](std::size_t i) {
    return Answer{sums[i], input.reference.empty() ? 0 : input.reference[i], tokens[i]};
  };
  Scored scored;
  double chosen_sum = 0;
  double rejected_sum = 0;
  double accurate = 0;
  for (std::size_t i = 0; i < tokens.size(); i += 2) {
    const Answer chosen = answer(i);
    const Answer rejected = answer(i + 1);
    const PairLoss pair = ComputePairLoss(settings, chosen, rejected);
    scored.output.loss += pair.loss;
    scored.factors.push_back(-pair.dchosen);
    scored.factors.push_back(-pair.drejected);
    const double chosen_reward = settings.beta * (chosen.model - chosen.reference);
    const double rejected_reward = settings.beta * (rejected.model - rejected.reference);
    chosen_sum += chosen_reward;
    rejected_sum += rejected_reward;
    accurate += chosen_reward > rejected_reward ? 1 : 0;
  }
  scored.output.measures = {chosen_sum, rejected_sum, chosen_sum - rejected_sum, accurate};
  return scored;
}

ObjectiveOutput Compute(const PreferenceSettings& settings, const ObjectiveInput& input) {
  const auto& [pass, hidden, targets, reference, scale] = input;
  if (scale == 0) {
    const Scores scores = ScoreTargets(pass, hidden, targets, Mode::kEvaluation);
    return Score(settings, input, scores.losses).output;
  }
  if (HeadIsTrained(pass)) {
    // The scales depend on whole sequences, so that the head is computed twice.
    Scored scored =
        Score(settings, input, ScoreTargets(pass, hidden, targets, Mode::kTraining).losses);
    const at::Tensor scales = RepeatForTargets(scored.factors, targets.per_sequence).mul_(scale);
    scored.output.dhidden = ScoreWithGradient(pass, hidden, targets, scales).dhidden;
    return std::move(scored.output);
  }
  const at::Tensor scales =
      at::full({targets.rows.size(0)}, scale, hidden.options().dtype(at::kFloat));
  auto [scores, dhidden] = ScoreWithGradient(pass, hidden, targets, scales);
  Scored scored = Score(settings, input, scores.losses);
  at::Tensor factors = at::zeros({hidden.size(0)}, hidden.options().dtype(at::kFloat));
  factors.index_copy_(0, targets.rows,
                      RepeatForTargets(scored.factors, targets.per_sequence).to(hidden.device()));
  scored.output.dhidden = dhidden.mul_(factors.unsqueeze(1));
  return std::move(scored.output);
}

}  // namespace

PairLoss ComputePairLoss(const PreferenceSettings& settings, const Answer& chosen,
                         const Answer& rejected) {
  const double chosen_ratio = chosen.model - chosen.reference;
  const double rejected_ratio = rejected.model - rejected.reference;
  if (settings.loss == PreferenceLoss::kIpo) {
    const auto chosen_tokens = static_cast<double>(chosen.tokens);
    const auto rejected_tokens = static_cast<double>(rejected.tokens);
    const double error =
        chosen_ratio / chosen_tokens - rejected_ratio / rejected_tokens - 1 / (2 * settings.beta);
    return {error * error, 2 * error / chosen_tokens, -2 * error / rejected_tokens};
  }
  const double x = settings.beta * (chosen_ratio - rejected_ratio);
  const double smoothing = settings.label_smoothing;
  // d/dx: -(1 - e) sigmoid(-x) + e sigmoid(x).
  const double derivative =
      settings.beta * (smoothing * Sigmoid(x) - (1 - smoothing) * Sigmoid(-x));
  return {-(1 - smoothing) * LogSigmoid(x) - smoothing * LogSigmoid(-x), derivative, -derivative};
}

Objective MakePreference(const PreferenceSettings& settings) {
  return {.average = Average::kGroups,
          .group = 2,
          .measures = {"rewardChosen", "rewardRejected", "rewardMargin", "rewardAccuracy"},
          .compute = [settings](const ObjectiveInput& input) { return Compute(settings, input); }};
}

std::vector<double> LogProbabilities(const model::PassContext& pass, const at::Tensor& hidden,
                                     const Targets& targets) {
  return SumBySequence(ScoreTargets(pass, hidden, targets, Mode::kEvaluation).losses,
                       targets.per_sequence);
}

}  // namespace lathe::trainer::objectives
