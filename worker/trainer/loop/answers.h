#pragma once
// What evaluations measure on answers that the model generates, beside those of the validation
// data: evaluation.metrics tool_accuracy and response_quality. Private to this room.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "worker/trainer/data/example.h"
#include "worker/trainer/data/text_model.h"
#include "worker/trainer/distributed/group.h"
#include "worker/trainer/model/decoder.h"
#include "worker/trainer/plan/plan.h"
#include "worker/trainer/scoring/tool_calls.h"

namespace lathe::trainer::loop {

/// Answers that are generated for each of the two measures, spread evenly over those that the
/// validation data has; and tokens of each. So that an evaluation takes minutes, not hours.
inline constexpr std::size_t kMeasuredAnswers = 32;
inline constexpr std::int64_t kAnswerTokens = 256;

struct AnswerScores {
  /// The share of answers with calls of tools whose generated calls are the same (name and
  /// arguments as JSON, in any order). nullopt: not asked for, or there are none.
  std::optional<double> tool_accuracy;
  /// The mean of scoring::ChrF over the answers, each beside the first kAnswerTokens tokens of the
  /// data's. nullopt likewise.
  std::optional<double> response_quality;
  std::int64_t answers = 0;  ///< generated
  std::int64_t tokens = 0;   ///< of them
};

/// The answers that are measured. Each is the likeliest token after the other behind the same
/// tokens that training has there, with what has been trained so far: nothing is drawn at random
/// and nothing is changed, so that the run goes on as if it had not been measured.
class MeasuredAnswers {
 public:
  /// What makes an answer: every `group`th of the examples counts.
  struct Source {
    const std::vector<data::Example>& examples;
    std::size_t group = 1;
    std::shared_ptr<const data::TextModel> text_model;  ///< may be null
    std::vector<std::int64_t> stop_tokens;              ///< of the model, beside the tokenizer's
  };
  MeasuredAnswers(const plan::EvaluationPlan& wanted, const Source& source);

  /// A sentence for each measure that is wanted and cannot be taken.
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// nullopt when stop() became true in any process. The processes divide the answers among them
  /// and come to the same result.
  std::optional<AnswerScores> Score(const model::Decoder& decoder,
                                    const model::Additions& additions,
                                    const distributed::Group& group,
                                    const std::function<bool()>& stop) const;

 private:
  struct Answer {
    std::vector<std::int64_t> prompt;
    std::string reference;                 ///< at most kAnswerTokens tokens of it
    std::vector<scoring::ToolCall> calls;  ///< of the reference
    bool for_tools = false;
    bool for_quality = false;
  };
  struct Sums;

  void Collect(const plan::EvaluationPlan& wanted, const Source& source);
  std::string TextOf(std::span<const std::int64_t> tokens) const;
  void Generate(const std::vector<const Answer*>& batch, const model::Decoder& decoder,
                const model::Additions& additions, const std::function<bool()>& stop,
                Sums& sums) const;
  void Add(const Answer& answer, const std::string& text, Sums& sums) const;

  std::shared_ptr<const data::TextModel> text_model_;
  std::optional<scoring::ToolCallFormat> format_;
  std::vector<std::int64_t> stop_tokens_;
  std::vector<Answer> answers_;
  std::vector<std::string> warnings_;
};

}  // namespace lathe::trainer::loop
