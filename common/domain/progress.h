#pragma once
// How far a job is, for people. A summary of its events; the events themselves are the record.

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/clock.h"

namespace lathe::domain {

struct Progress {
  std::uint64_t step = 0;         ///< highest step with a stored metric
  std::uint64_t total_steps = 0;  ///< 0: not known yet
  double epoch = 0;
  std::optional<double> loss;
  std::optional<double> token_accuracy;  ///< 0 to 1, of the step whose loss is `loss`
  std::optional<double> evaluation_loss;
  std::optional<double> evaluation_perplexity;
  std::optional<double> evaluation_tool_accuracy;     ///< 0 to 1
  std::optional<double> evaluation_response_quality;  ///< 0 to 1
  double tokens_per_second = 0;
  std::string phase;  ///< loading, tokenizing, training, evaluating, saving

  /// Where the pace of the present attempt is measured from; unset before its first metric.
  std::optional<Instant> pace_since;
  std::uint64_t pace_step = 0;
  Instant last_step_time{};  ///< when the metric of `step` was written

  friend bool operator==(const Progress&, const Progress&) = default;
};

/// What a batch of events says; what is not set stays as it was.
struct ProgressUpdate {
  Instant time{};                     ///< when the newest of the events was written
  std::optional<std::uint64_t> step;  ///< of the newest metric
  std::optional<std::uint64_t> total_steps;
  std::optional<double> epoch;
  std::optional<double> loss;
  std::optional<double> token_accuracy;
  std::optional<double> evaluation_loss;
  std::optional<double> evaluation_perplexity;
  std::optional<double> evaluation_tool_accuracy;
  std::optional<double> evaluation_response_quality;
  std::optional<double> tokens_per_second;
  std::optional<std::string> phase;
};

/// Progress never goes back: a step that is not higher changes nothing but phase and totals.
void Apply(Progress& progress, const ProgressUpdate& update);

/// A new attempt measures its pace anew.
void RestartPace(Progress& progress);

/// 0 to 1; 0 while the total is not known.
double Fraction(const Progress& progress);

/// Seconds to the last step at this attempt's pace; unset while it cannot be told.
std::optional<double> EtaSeconds(const Progress& progress);

}  // namespace lathe::domain
