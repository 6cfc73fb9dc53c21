#pragma once
// Progress as a message. What is stored and what is told to clients are messages of their own,
// which grow apart only in what they add; the measurements in both have the same names.

#include "common/domain/progress.h"

namespace lathe::domain {

/// Sets a message's fields of the same names; what was not measured stays unset.
template <class Message>
void SetMeasurements(const Progress& progress, Message& out) {
  out.set_step(progress.step);
  out.set_total_steps(progress.total_steps);
  out.set_epoch(progress.epoch);
  if (progress.loss) out.set_loss(*progress.loss);
  if (progress.token_accuracy) out.set_token_accuracy(*progress.token_accuracy);
  if (progress.evaluation_loss) out.set_evaluation_loss(*progress.evaluation_loss);
  if (progress.evaluation_perplexity) {
    out.set_evaluation_perplexity(*progress.evaluation_perplexity);
  }
  if (progress.evaluation_tool_accuracy) {
    out.set_evaluation_tool_accuracy(*progress.evaluation_tool_accuracy);
  }
  if (progress.evaluation_response_quality) {
    out.set_evaluation_response_quality(*progress.evaluation_response_quality);
  }
  out.set_tokens_per_second(progress.tokens_per_second);
  out.set_phase(progress.phase);
}

}  // namespace lathe::domain
