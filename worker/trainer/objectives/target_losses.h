#pragma once
// The head of the model on target tokens only: what every objective is made of. Logits are computed
// for the rows that have a target, some at a time, and turn into their own gradient in place: the
// full [N, vocabulary] tensor never exists.

#include <vector>

#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::objectives {

struct Targets {
  at::Tensor rows;                         ///< int64 [M]: which hidden states predict something
  at::Tensor labels;                       ///< int64 [M]: what
  std::vector<std::int64_t> per_sequence;  ///< how many of them each sequence has, in their order
};

enum class Mode : std::uint8_t { kTraining, kEvaluation };

/// Of each target, where the hidden states are.
struct Scores {
  at::Tensor losses;  ///< fp32 [M]: -log p(label)
  at::Tensor hits;    ///< fp32 [M]: 1 where the label is what the model finds likeliest, else 0
};
/// In training with the dropout that the gradient's pass will have. `hidden` [N, hidden] are states
/// before the final norm.
Scores ScoreTargets(const model::PassContext& pass, const at::Tensor& hidden,
                    const Targets& targets, Mode mode);

struct ScoresAndGradient {
  Scores scores;
  at::Tensor dhidden;  ///< [N, hidden]: gradient of sum(scales * losses)
};
/// `scales` is fp32 [M], where hidden is or on the host. Adds to the gradients of what is trained
/// of the head.
ScoresAndGradient ScoreWithGradient(const model::PassContext& pass, const at::Tensor& hidden,
                                    const Targets& targets, const at::Tensor& scales);

/// Rows whose logits are computed at a time.
std::int64_t ChunkRows(std::int64_t vocabulary, const at::Device& device);

/// Whether something of the head or the final norm is trained, so that the gradient has to be
/// computed with its final scales. Otherwise each row of dhidden is linear in its scale.
bool HeadIsTrained(const model::PassContext& pass);

}  // namespace lathe::trainer::objectives
