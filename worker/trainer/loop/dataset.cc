#include "worker/trainer/loop/dataset.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

namespace lathe::trainer::loop {
namespace {

data::LossOn LossOnOf(const std::string& name) {
  if (name == "enabled") return data::LossOn::kEverything;
  if (name == "disabled") return data::LossOn::kCompletions;
  return data::LossOn::kFormatDefault;
}

data::LongRows LongRowsOf(const std::string& name) {
  if (name == "drop") return data::LongRows::kDrop;
  return name == "error" ? data::LongRows::kError : data::LongRows::kTruncate;
}

/// Loads the tokenizer and template at most once, when they are asked for.
class LazyTextModel {
 public:
  explicit LazyTextModel(const plan::Plan& plan) : plan_(plan) {}

  Result<std::shared_ptr<const data::TextModel>> Get() {
    if (!model_) {
      data::ChatSettings chat{.chat_template = plan_.data.chat_template};
      if (!plan_.data.tools.empty()) {
        chat.tools = chat_template::FromJson(nlohmann::ordered_json::parse(plan_.data.tools));
      }
      LATHE_ASSIGN_OR_RETURN(auto loaded, data::TextModel::Load(plan_.paths.base_model, chat));
      model_ = std::make_shared<const data::TextModel>(std::move(loaded));
    }
    return model_;
  }

 private:
  const plan::Plan& plan_;
  std::shared_ptr<const data::TextModel> model_;
};

}  // namespace

Result<Dataset> LoadDataset(const plan::Plan& plan, std::int64_t vocabulary) {
  LazyTextModel text_model(plan);
  const bool pairs = plan.objective.type == "dpo";
  const data::DatasetSettings settings{
      .content = pairs ? data::Content::kPairs : data::Content::kSequences,
      .format = data::FormatFromName(plan.data.format),
      .loss_on = LossOnOf(plan.data.train_on_inputs),
      .vocabulary = vocabulary,
      .sequence_length = plan.data.sequence_length,
      .long_rows = LongRowsOf(plan.data.long_rows),
      .max_samples = plan.data.max_samples};
  const auto read = [&](const std::filesystem::path& path) {
    return data::ReadDataset(path, settings, [&]() -> Result<const data::TextModel*> {
      LATHE_ASSIGN_OR_RETURN(const auto model, text_model.Get());
      return model.get();
    });
  };
  LATHE_ASSIGN_OR_RETURN(auto file, read(plan.paths.train));
  Dataset dataset{.group = pairs ? 2U : 1U,
                  .train = {},
                  .validation = {},
                  .counts = file.counts,
                  .warnings = std::move(file.warnings)};
  if (plan.paths.validation) {
    LATHE_ASSIGN_OR_RETURN(auto validation, read(*plan.paths.validation));
    dataset.train = std::move(file.examples);
    dataset.validation = std::move(validation.examples);
    dataset.counts += validation.counts;
    std::move(validation.warnings.begin(), validation.warnings.end(),
              std::back_inserter(dataset.warnings));
  } else {
    auto split = data::SplitExamples(std::move(file), plan.data.train_split,
                                     static_cast<std::uint64_t>(plan.data.seed));
    dataset.train = std::move(split.train);
    dataset.validation = std::move(split.validation);
  }
  if (plan.evaluation.tool_accuracy || plan.evaluation.response_quality) {
    dataset.text_model = text_model.Get().value_or(nullptr);
  }
  if (dataset.train.empty()) {
    return Failure(ErrorCode::kInvalidArgument, plan.paths.train.string() +
                                                    ": nothing is left to train on; raise "
                                                    "datasets.trainSplit or give more examples");
  }
  return dataset;
}

}  // namespace lathe::trainer::loop
