#include "worker/trainer/loop/dataset.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "worker/trainer/data/dataset.h"

namespace lathe::trainer::loop {
namespace {

data::LossOn LossOnOf(const std::string& name) {
  if (name == "enabled") return data::LossOn::kEverything;
  if (name == "disabled") return data::LossOn::kCompletions;
  return data::LossOn::kFormatDefault;
}

/// The tokenizer and template, unless every row is tokens already.
Result<std::optional<data::TextModel>> LoadTextModel(const plan::Plan& plan) {
  if (plan.data.format == "tokenized") return std::nullopt;
  LATHE_ASSIGN_OR_RETURN(auto text_model,
                         data::TextModel::Load(plan.paths.base_model, plan.data.chat_template));
  return std::optional(std::move(text_model));
}

}  // namespace

Result<Dataset> LoadDataset(const plan::Plan& plan, std::int64_t vocabulary) {
  LATHE_ASSIGN_OR_RETURN(const auto text_model, LoadTextModel(plan));
  const data::DatasetSettings settings{.format = data::FormatFromName(plan.data.format),
                                       .loss_on = LossOnOf(plan.data.train_on_inputs),
                                       .vocabulary = vocabulary,
                                       .sequence_length = plan.data.sequence_length,
                                       .max_samples = plan.data.max_samples};
  const auto read = [&](const std::filesystem::path& path) {
    return data::ReadDataset(path, settings, text_model ? &*text_model : nullptr);
  };
  LATHE_ASSIGN_OR_RETURN(auto file, read(plan.paths.train));
  Dataset dataset{.train = {}, .validation = {}, .warnings = std::move(file.warnings)};
  if (plan.paths.validation) {
    LATHE_ASSIGN_OR_RETURN(auto validation, read(*plan.paths.validation));
    dataset.train = std::move(file.examples);
    dataset.validation = std::move(validation.examples);
    std::move(validation.warnings.begin(), validation.warnings.end(),
              std::back_inserter(dataset.warnings));
  } else {
    auto split = data::SplitExamples(std::move(file.examples), plan.data.train_split,
                                     static_cast<std::uint64_t>(plan.data.seed));
    dataset.train = std::move(split.train);
    dataset.validation = std::move(split.validation);
  }
  if (dataset.train.empty()) {
    return Failure(ErrorCode::kInvalidArgument, plan.paths.train.string() +
                                                    ": nothing is left to train on; raise "
                                                    "datasets.trainSplit or give more examples");
  }
  return dataset;
}

}  // namespace lathe::trainer::loop
