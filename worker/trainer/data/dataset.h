#pragma once
// A training file (JSON lines) as examples, and the split into training and validation. Pure but
// for reading the file.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/data/example.h"
#include "worker/trainer/data/row.h"
#include "worker/trainer/data/text_model.h"
#include "worker/trainer/plan/parameter_defaults.h"

namespace lathe::trainer::data {

/// What a file is for: sequences to imitate, or pairs to choose from.
enum class Content : std::uint8_t { kSequences, kPairs };

/// What becomes of rows of more tokens than the sequence length.
enum class LongRows : std::uint8_t { kTruncate, kDrop, kError };

struct DatasetSettings {
  Content content = Content::kSequences;
  std::optional<Format> format;  ///< nullopt: told by the first row's keys
  LossOn loss_on = LossOn::kFormatDefault;
  std::int64_t vocabulary = 0;
  std::int64_t sequence_length = plan::DefaultInteger("schedule.sequenceLength");
  LongRows long_rows = LongRows::kTruncate;
  std::optional<std::int64_t> max_samples;  ///< only that many rows, from the beginning
};

/// What long rows have lost; of pairs a row is a pair.
struct RowCounts {
  std::int64_t cut_rows = 0;      ///< used, but not to their end
  std::int64_t cut_tokens = 0;    ///< behind the cut
  std::int64_t dropped_rows = 0;  ///< not used at all
  std::int64_t dropped_tokens = 0;
  RowCounts& operator+=(const RowCounts& other);
};

struct Dataset {
  std::vector<Example> examples;  ///< in the order of the file; of a pair the chosen one first
  std::size_t group = 1;          ///< so many examples belong together: 2 in pairs
  RowCounts counts;
  std::vector<std::string> warnings;  ///< a sentence each
};

/// Gives the model's tokenizer and template, or says why there is none.
using TextModelSource = std::function<Result<const TextModel*>()>;

/// `text_model` is asked when the first row that is not tokenized comes, and not without one: many
/// models of tokenized data have no tokenizer beside them. Blank lines do not count.
/// kInvalidArgument with a finding "FILE:LINE" for each broken row (the first ones, when there are
/// many), when the file's format is of other content, or when nothing is left. Long rows are cut at
/// the end, dropped, or broken, as the settings say; of those that are cut, rows whose targets all
/// lie behind the cut are dropped, as are pairs that the cut makes equal. Warnings tell of both.
Result<Dataset> ReadDataset(const std::filesystem::path& path, const DatasetSettings& settings,
                            const TextModelSource& text_model);

struct Split {
  std::vector<Example> train;
  std::vector<Example> validation;
};
/// Keeps about `train_share` (0 to 1) of the groups for training; which ones, the seed alone
/// decides. Both parts keep the file's order. Each part gets at least one group when the share is
/// strictly between 0 and 1 and there are two.
Split SplitExamples(Dataset dataset, double train_share, std::uint64_t seed);

}  // namespace lathe::trainer::data
