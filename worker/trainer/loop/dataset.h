#pragma once
// The examples of a plan, as tokens and labels.

#include <memory>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/data/dataset.h"
#include "worker/trainer/loop/batch.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::trainer::loop {

struct Dataset {
  std::size_t group = 1;  ///< so many examples in a row belong together
  std::vector<Example> train;
  std::vector<Example> validation;
  data::RowCounts counts;             ///< of both files
  std::vector<std::string> warnings;  ///< a sentence each
  /// Where answers are to be generated and the model has one; else null.
  std::shared_ptr<const data::TextModel> text_model = nullptr;
};

/// kInvalidArgument names file and line of what is wrong, also when nothing is left to train on.
Result<Dataset> LoadDataset(const plan::Plan& plan, std::int64_t vocabulary);

}  // namespace lathe::trainer::loop
