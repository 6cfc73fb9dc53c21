#include "worker/trainer/loop/dataset.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "common/base/file_io.h"

namespace lathe::trainer::loop {
namespace {

using Json = nlohmann::json;

/// nullopt when a value is no list of whole numbers.
std::optional<std::vector<std::int64_t>> Integers(const Json& value) {
  if (!value.is_array()) return std::nullopt;
  std::vector<std::int64_t> integers;
  for (const Json& element : value) {
    if (!element.is_number_integer()) return std::nullopt;
    integers.push_back(element.get<std::int64_t>());
  }
  return integers;
}

struct Limits {
  std::int64_t vocabulary;
  std::int64_t sequence_length;
};

Result<Example> ParseRow(const std::string& line, const Limits& limits) {
  const auto fail = [](const std::string& message) {
    return Failure(ErrorCode::kInvalidArgument, message);
  };
  const Json row = Json::parse(line, nullptr, false);
  if (!row.is_object()) return fail("not a JSON object");
  auto tokens = Integers(row.value("input_ids", Json()));
  auto labels = Integers(row.value("labels", Json()));
  if (!tokens || tokens->empty()) return fail("input_ids is no list of token ids");
  if (!labels || labels->size() != tokens->size()) {
    return fail("labels is no list as long as input_ids");
  }
  const auto outside = [&](std::int64_t id) { return id < 0 || id >= limits.vocabulary; };
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const std::int64_t label = (*labels)[i];
    if (outside((*tokens)[i]) || (label != kIgnoredLabel && outside(label))) {
      return fail("position " + std::to_string(i) + " is outside the vocabulary of " +
                  std::to_string(limits.vocabulary));
    }
  }
  if (static_cast<std::int64_t>(tokens->size()) > limits.sequence_length) {
    tokens->resize(static_cast<std::size_t>(limits.sequence_length));
    labels->resize(static_cast<std::size_t>(limits.sequence_length));
  }
  return Example{std::move(*tokens), std::move(*labels)};
}

Result<std::vector<Example>> ReadTokenized(const std::filesystem::path& path,
                                           const Limits& limits) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::istringstream stream(text);
  std::vector<Example> examples;
  std::int64_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto example = ParseRow(line, limits);
    if (!example) {
      return Failure(example.error().WithContext(path.string() + ":" + std::to_string(number)));
    }
    examples.push_back(std::move(*example));
  }
  return examples;
}

}  // namespace

Result<Dataset> LoadDataset(const plan::Plan& plan, std::int64_t vocabulary) {
  const Limits limits{vocabulary, plan.data.sequence_length};
  Dataset dataset;
  LATHE_ASSIGN_OR_RETURN(dataset.train, ReadTokenized(plan.paths.train, limits));
  if (plan.paths.validation) {
    LATHE_ASSIGN_OR_RETURN(dataset.validation, ReadTokenized(*plan.paths.validation, limits));
  }
  if (std::all_of(dataset.train.begin(), dataset.train.end(),
                  [](const Example& example) { return CountTargets(example) == 0; })) {
    return Failure(ErrorCode::kInvalidArgument,
                   plan.paths.train.string() + ": no example has a token to train on");
  }
  return dataset;
}

}  // namespace lathe::trainer::loop
