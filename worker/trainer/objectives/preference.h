#pragma once
// Direct preference optimisation: pairs of answers to one prompt, chosen and rejected, and by how
// much more the model likes the chosen one than a frozen reference does. A mean over pairs.
//
// With d = (log p(chosen) - log r(chosen)) - (log p(rejected) - log r(rejected)), log-probabilities
// summed over the answers' tokens, p the model and r the reference:
//   sigmoid  -(1 - e) log sigmoid(beta d) - e log sigmoid(-beta d), e the label smoothing
//            (https://arxiv.org/abs/2305.18290; with e > 0 "conservative DPO",
//            https://ericmitchell.ai/cdpo.pdf)
//   ipo      (d' - 1 / (2 beta))^2 (https://arxiv.org/abs/2310.12036, equation 17), where d' is d
//            with each answer's sum divided by its number of tokens: as trl's DPOTrainer computes
//            it, whose authors confirmed this reading with the paper's
// Rewards are beta (log p - log r); an accurate pair is one with the greater reward on the chosen
// answer (equal ones are not). Without a reference log r is 0 throughout.

#include "worker/trainer/objectives/objective.h"

namespace lathe::trainer::objectives {

enum class PreferenceLoss : std::uint8_t { kSigmoid, kIpo };

struct PreferenceSettings {
  PreferenceLoss loss = PreferenceLoss::kSigmoid;
  double beta = 1;             ///< above 0
  double label_smoothing = 0;  ///< 0 to 0.5; sigmoid only
};

/// One answer: log-probabilities of its tokens, summed.
struct Answer {
  double model = 0;
  double reference = 0;
  std::int64_t tokens = 1;
};

struct PairLoss {
  double loss = 0;
  double dchosen = 0;  ///< derivative by the model's log-probability of the chosen answer
  double drejected = 0;
};
/// Pure.
PairLoss ComputePairLoss(const PreferenceSettings& settings, const Answer& chosen,
                         const Answer& rejected);

/// Of sequences in pairs, the chosen one first. Measures: rewardChosen, rewardRejected,
/// rewardMargin, rewardAccuracy.
Objective MakePreference(const PreferenceSettings& settings);

/// The log-probability of each sequence's targets, in evaluation.
std::vector<double> LogProbabilities(const model::PassContext& pass, const at::Tensor& hidden,
                                     const Targets& targets);

}  // namespace lathe::trainer::objectives
