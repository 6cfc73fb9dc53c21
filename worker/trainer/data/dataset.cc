#include "worker/trainer/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>

#include "common/base/random.h"
#include "worker/trainer/data/preference.h"
#include "worker/trainer/formats/mapped_file.h"

namespace lathe::trainer::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxFindings = 20;

/// Reads one file's rows; errors of rows are collected.
class Reader {
 public:
  Reader(const fs::path& path, const DatasetSettings& settings, const TextModelSource& source)
      : path_(path), settings_(settings), source_(source), format_(settings.format) {}

  Result<Dataset> Read(std::string_view text) {
    while (!text.empty() && !Done()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      ++line_;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      ++rows_;
      if (const Status row = AddRow(line); !row) Note(row.error());
      if (unreadable_) return Failure(*std::move(unreadable_));
    }
    return Finish();
  }

 private:
  bool Done() const {
    return findings_.size() >= kMaxFindings ||
           (settings_.max_samples && rows_ >= *settings_.max_samples);
  }
  void Note(const Error& error) {
    findings_.push_back({.path = path_.string() + ":" + std::to_string(line_),
                         .code = "broken_row",
                         .message = error.message});
  }

  Status AddRow(std::string_view line) {
    const Json row = Json::parse(line, nullptr, false);
    if (!row.is_object()) {
      return Failure(ErrorCode::kInvalidArgument, "is no JSON object; each line must be one");
    }
    if (!format_) {
      format_ = DetectFormat(row);
      if (!format_) {
        return Failure(ErrorCode::kInvalidArgument,
                       "its keys fit no format; messages, prompt and completion, instruction and "
                       "output, conversations, text, input_ids and labels, or chosen and rejected "
                       "do");
      }
    }
    LATHE_RETURN_IF_ERROR(CheckContent());
    LATHE_RETURN_IF_ERROR(LoadTextModel(row));
    if (*format_ == Format::kPreference) {
      LATHE_ASSIGN_OR_RETURN(Pair pair, EncodePair(row, settings_.vocabulary, text_model_));
      return KeepPair(std::move(pair));
    }
    LATHE_ASSIGN_OR_RETURN(
        Example example,
        EncodeRow(row, {*format_, settings_.loss_on, settings_.vocabulary}, text_model_));
    return Keep(std::move(example));
  }

  /// Notes what is wrong with the file as a whole, which no other row can mend.
  Status GiveUp(Error error) {
    unreadable_ = std::move(error);
    return Failure(*unreadable_);
  }

  Status CheckContent() {
    const bool pairs = *format_ == Format::kPreference;
    if (pairs == (settings_.content == Content::kPairs)) return {};
    return GiveUp({ErrorCode::kInvalidArgument,
                   pairs
                       ? path_.string() +
                             " has preference data (chosen and rejected), which objective.type "
                             "sft cannot learn from; set objective.type dpo"
                       : path_.string() + " has rows of format " + std::string(ToString(*format_)) +
                             ", but objective.type dpo learns from pairs: each row needs "
                             "\"chosen\" and \"rejected\""});
  }

  Status LoadTextModel(const Json& row) {
    const bool needed = *format_ != Format::kTokenized && !IsTokenizedPair(row);
    if (text_model_ != nullptr || !needed) return {};
    auto loaded = source_();
    if (!loaded) {
      return GiveUp(loaded.error().WithContext(path_.string() + " has rows of format " +
                                               std::string(ToString(*format_)) +
                                               ", which need the model's tokenizer"));
    }
    text_model_ = *loaded;
    return {};
  }

  std::int64_t Excess(const Example& example) const {
    const auto length = static_cast<std::int64_t>(example.tokens.size());
    return std::max<std::int64_t>(0, length - settings_.sequence_length);
  }

  void Cut(Example& example) const {
    const auto length =
        std::min(example.tokens.size(), static_cast<std::size_t>(settings_.sequence_length));
    example.tokens.resize(length);
    example.labels.resize(length);
    std::erase_if(example.answers, [&](const TokenRange& range) { return range.end > length; });
  }

  void Drop(std::int64_t tokens) {
    ++dataset_.counts.dropped_rows;
    dataset_.counts.dropped_tokens += tokens;
  }

  /// What to do with a row of so many tokens, of which so many are too many: whether it is used.
  /// kInvalidArgument when long rows are not wanted.
  Result<bool> UseLongRow(std::int64_t tokens, std::int64_t excess) {
    if (excess == 0 || settings_.long_rows == LongRows::kTruncate) return true;
    if (settings_.long_rows == LongRows::kDrop) {
      Drop(tokens);
      return false;
    }
    return Failure(ErrorCode::kInvalidArgument,
                   "has " + std::to_string(excess) + " tokens more than schedule.sequenceLength (" +
                       std::to_string(settings_.sequence_length) +
                       "), which datasets.longRows error does not allow");
  }

  Status Keep(Example example) {
    const auto tokens = static_cast<std::int64_t>(example.tokens.size());
    const std::int64_t excess = Excess(example);
    LATHE_ASSIGN_OR_RETURN(const bool used, UseLongRow(tokens, excess));
    if (!used) return {};
    Cut(example);
    if (excess > 0 && CountTargets(example) == 0) {
      Drop(tokens);
      return {};
    }
    NoteCut(excess);
    dataset_.examples.push_back(std::move(example));
    return {};
  }

  Status KeepPair(Pair pair) {
    dataset_.group = 2;
    const auto tokens =
        static_cast<std::int64_t>(pair.chosen.tokens.size() + pair.rejected.tokens.size());
    const std::int64_t excess = Excess(pair.chosen) + Excess(pair.rejected);
    LATHE_ASSIGN_OR_RETURN(const bool used, UseLongRow(tokens, excess));
    if (!used) return {};
    Cut(pair.chosen);
    Cut(pair.rejected);
    if (excess > 0 && (CountTargets(pair.chosen) == 0 || CountTargets(pair.rejected) == 0 ||
                       pair.chosen.tokens == pair.rejected.tokens)) {
      Drop(tokens);
      return {};
    }
    NoteCut(excess);
    dataset_.examples.push_back(std::move(pair.chosen));
    dataset_.examples.push_back(std::move(pair.rejected));
    return {};
  }

  void NoteCut(std::int64_t excess) {
    dataset_.counts.cut_rows += excess > 0 ? 1 : 0;
    dataset_.counts.cut_tokens += excess;
  }

  Result<Dataset> Finish() {
    if (!findings_.empty()) {
      const bool more = findings_.size() >= kMaxFindings;
      return tl::unexpected<Error>(Error{
          ErrorCode::kInvalidArgument,
          path_.string() + ": " + std::to_string(findings_.size()) + (more ? " or more" : "") +
              " broken rows; first, line " + findings_[0].path.substr(path_.string().size() + 1) +
              ": " + findings_[0].message,
          std::move(findings_)});
    }
    if (dataset_.examples.empty()) return Failure(NothingLeft());
    Warn();
    return std::move(dataset_);
  }

  std::string Limit() const { return std::to_string(settings_.sequence_length) + " tokens"; }

  Error NothingLeft() const {
    std::string why = " is empty";
    if (rows_ > 0 && settings_.long_rows == LongRows::kDrop) {
      why = ": each of its " + std::to_string(rows_) + " rows is longer than " + Limit() +
            " and was dropped; raise schedule.sequenceLength, or set datasets.longRows truncate";
    } else if (rows_ > 0) {
      why = ": no row has anything to learn within " + Limit() + "; raise schedule.sequenceLength";
    }
    return {ErrorCode::kInvalidArgument, path_.string() + why, {}};
  }

  void Warn() {
    const RowCounts& counts = dataset_.counts;
    const auto warn = [&](std::int64_t rows, const std::string& what, std::int64_t tokens) {
      if (rows == 0) return;
      dataset_.warnings.push_back(std::to_string(rows) + " of " + std::to_string(rows_) +
                                  " rows of " + path_.string() + what + " (" +
                                  std::to_string(tokens) + " tokens)");
    };
    warn(counts.cut_rows, " are longer than " + Limit() + " and were cut", counts.cut_tokens);
    const bool dropped = settings_.long_rows == LongRows::kDrop;
    warn(counts.dropped_rows,
         dropped ? " are longer than " + Limit() + " and were dropped"
                 : " have nothing to learn within " + Limit() + " and were dropped",
         counts.dropped_tokens);
  }

  const fs::path& path_;
  const DatasetSettings& settings_;
  const TextModelSource& source_;
  const TextModel* text_model_ = nullptr;
  std::optional<Error> unreadable_;
  std::optional<Format> format_;
  Dataset dataset_;
  std::vector<Finding> findings_;
  std::int64_t line_ = 0;
  std::int64_t rows_ = 0;
};

}  // namespace

RowCounts& RowCounts::operator+=(const RowCounts& other) {
  cut_rows += other.cut_rows;
  cut_tokens += other.cut_tokens;
  dropped_rows += other.dropped_rows;
  dropped_tokens += other.dropped_tokens;
  return *this;
}

Result<Dataset> ReadDataset(const fs::path& path, const DatasetSettings& settings,
                            const TextModelSource& text_model) {
  LATHE_ASSIGN_OR_RETURN(const formats::MappedFile file, formats::MappedFile::Open(path));
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return Reader(path, settings, text_model).Read(text);
}

Split SplitExamples(Dataset dataset, double train_share, std::uint64_t seed) {
  const std::size_t count = dataset.examples.size() / dataset.group;
  auto validation =
      static_cast<std::size_t>(std::llround(static_cast<double>(count) * (1 - train_share)));
  if (count >= 2 && train_share > 0 && train_share < 1) {
    validation = std::clamp<std::size_t>(validation, 1, count - 1);
  }
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(seed);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
  std::vector<bool> held_out(count, false);
  for (std::size_t i = 0; i < std::min(validation, count); ++i) held_out[order[i]] = true;
  Split split;
  for (std::size_t i = 0; i < dataset.examples.size(); ++i) {
    auto& part = held_out[i / dataset.group] ? split.validation : split.train;
    part.push_back(std::move(dataset.examples[i]));
  }
  return split;
}

}  // namespace lathe::trainer::data
