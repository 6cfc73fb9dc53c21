#pragma once
// A run of the Python reference, as tests/golden/runs keeps it: run.json with its settings and
// every step, and what was trained before and after. What the tests of each objective share.

#include <functional>
#include <string>

#include "tests/parity/support.h"

namespace lathe::parity {

struct RecordedRun {
  nlohmann::json run;              ///< run.json
  std::filesystem::path folder;    ///< holds the result
  std::filesystem::path starting;  ///< holds the rows and the weights it began with
};

/// tests/golden/runs/NAME, whose start may be another run's.
RecordedRun OpenRun(const std::string& name);

/// The plan of the same run by lathe-trainer, which reads `work`/train.jsonl and writes to
/// `work`/out; `objective` adds to the configuration what the objective needs, datasets included.
nlohmann::json PlanOf(const RecordedRun& recorded, const nlohmann::json& objective,
                      const std::filesystem::path& work);

/// Runs the plan to its end; its events.
std::vector<nlohmann::json> RunPlan(const nlohmann::json& plan, const std::filesystem::path& work);

using StepCheck = std::function<void(const nlohmann::json& got, const nlohmann::json& want)>;

/// Number, rate of learning and, with `check`, all else of every step.
void ExpectSameSteps(const RecordedRun& recorded, const std::vector<nlohmann::json>& events,
                     const StepCheck& check);

/// The file that holds what is trained with a run's method.
std::string WeightsFile(const nlohmann::json& method);

/// What has been trained, in `folder`, has gone the same way as the reference's.
void ExpectSameWeights(const RecordedRun& recorded, const std::filesystem::path& folder);

}  // namespace lathe::parity
