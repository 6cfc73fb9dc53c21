// The Python reference's preference runs, step by step, through the real program.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "common/base/temp_dir.h"
#include "tests/parity/recorded_run.h"

namespace lathe::parity {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// The fixture's micro-batches (chosen rows, then as many rejected ones) as JSON lines.
void WritePairs(const RecordedRun& recorded, const fs::path& to) {
  const Json& run = recorded.run;
  const auto file = Open(recorded.starting / "batches.safetensors");
  const auto width = run["seq_len"].get<std::size_t>();
  const auto pairs = run["batch_size"].get<std::size_t>();
  std::ofstream out(to);
  for (int batch = 0; batch < run["distinct_microbatches"].get<int>(); ++batch) {
    const std::string prefix = std::to_string(batch) + ".";
    const auto ids = Values(file, prefix + "input_ids");
    const auto mask = Values(file, prefix + "attention_mask");
    const auto completion = Values(file, prefix + "completion_mask");
    const auto part = [&](std::size_t row, bool answer) {
      Json list = Json::array();
      for (std::size_t i = row * width; i < (row + 1) * width && mask[i] != 0; ++i) {
        if ((completion[i] != 0) == answer) list.push_back(static_cast<int>(ids[i]));
      }
      return list;
    };
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      out << Json{{"prompt_ids", part(pair, false)},
                  {"chosen_ids", part(pair, true)},
                  {"rejected_ids", part(pairs + pair, true)}}
                 .dump()
          << "\n";
    }
  }
}

Json ObjectiveOf(const Json& run) {
  return {
      {"datasets",
       {{"type", "preference"}, {"shuffle", false}, {"trainSplit", 1}, {"trainingFileId", "x"}}},
      {"objective",
       {{"type", "dpo"},
        {"dpo",
         {{"beta", run["beta"]},
          {"lossType", run.value("loss_type", "sigmoid")},
          {"labelSmoothing", run.value("label_smoothing", 0.0)},
          {"referenceFree", run.value("reference_free", false)}}}}}};
}

double Mean(const Json& list) {
  double sum = 0;
  for (const Json& value : list) sum += value.get<double>();
  return sum / static_cast<double>(list.size());
}

/// Rewards are differences of sums of some ten log-probabilities.
constexpr double kRewardTolerance = 5e-5;

void ExpectSameRewards(const Json& got, const Json& want) {
  const double margin = got["rewardChosen"].get<double>() - got["rewardRejected"].get<double>();
  EXPECT_NEAR(got["rewardMargin"].get<double>(), margin, 1e-12);
  if (want.contains("reward_chosen")) {
    EXPECT_NEAR(got["rewardChosen"].get<double>(), want["reward_chosen"], kRewardTolerance);
    EXPECT_NEAR(got["rewardRejected"].get<double>(), want["reward_rejected"], kRewardTolerance);
    // Where the margin is rounding noise the reference's own accuracy is too.
    if (std::abs(margin) > kRewardTolerance) {
      EXPECT_NEAR(got["rewardAccuracy"].get<double>(), want["reward_accuracy"], 1e-6);
    }
  } else {
    EXPECT_NEAR(margin, Mean(want["reward_margin"]), kRewardTolerance);
    if (std::abs(margin) > kRewardTolerance) {
      EXPECT_NEAR(got["rewardAccuracy"].get<double>(), Mean(want["accuracy"]), 1e-6);
    }
  }
}

void ExpectSameStep(const Json& got, const Json& want) {
  const double loss = want["loss"];
  EXPECT_NEAR(got["loss"].get<double>(), loss, 2e-5 * std::max(1.0, loss));
  const double norm = want["grad_norm"];
  EXPECT_NEAR(got["gradientNorm"].get<double>(), norm, 2e-5 * norm);
  ExpectSameRewards(got, want);
}

class PreferenceParity : public ::testing::TestWithParam<const char*> {};

TEST_P(PreferenceParity, EveryStepAgrees) {
  const RecordedRun recorded = OpenRun(GetParam());
  const TempDir folder = TempDir::Create().value();
  WritePairs(recorded, folder.path() / "train.jsonl");
  const Json plan = PlanOf(recorded, ObjectiveOf(recorded.run), folder.path());
  ExpectSameSteps(recorded, RunPlan(plan, folder.path()), ExpectSameStep);
  if (recorded.run["method"]["type"] == "lora") {
    ExpectSameWeights(recorded, folder.path() / "out/adapter");
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, PreferenceParity,
                         ::testing::Values("llama_dpo_lora", "qwen2_dpo_lora", "llama_dpo_ipo",
                                           "llama_dpo_smoothed", "llama_dpo_reference_free",
                                           "llama_dpo_full"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace lathe::parity
