#pragma once
// Supervised fine-tuning: cross-entropy on target tokens only. Logits are computed for the rows
// that have a target, some at a time, and turn into their own gradient in place: the full
// [N, vocabulary] tensor never exists.

#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::objectives {

struct Targets {
  at::Tensor rows;    ///< int64 [M]: which hidden states predict something
  at::Tensor labels;  ///< int64 [M]: what
};

struct SupervisedLoss {
  double sum = 0;      ///< of -log p(label) over all targets
  at::Tensor dhidden;  ///< [N, hidden]: gradient of sum * gradient_scale; undefined when that is 0
};

/// `hidden` [N, hidden] are states before the final norm. Adds to the gradients of the head's
/// additions.
SupervisedLoss ComputeSupervisedLoss(const model::PassContext& pass, const at::Tensor& hidden,
                                     const Targets& targets, double gradient_scale);

}  // namespace lathe::trainer::objectives
