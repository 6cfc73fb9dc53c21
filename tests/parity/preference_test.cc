// The Python reference's preference runs, step by step, through the real program.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "common/base/temp_dir.h"
#include "tests/parity/support.h"

namespace lathe::parity {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// The fixture's micro-batches (chosen rows, then as many rejected ones) as JSON lines.
void WritePairs(const Json& run, const fs::path& data, const fs::path& to) {
  const auto file = Open(data / "batches.safetensors");
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

std::string JoinedModules(const Json& modules) {
  if (modules.is_string()) return modules;
  std::string text;
  for (const Json& name : modules) text += (text.empty() ? "" : ",") + name.get<std::string>();
  return text;
}

Json Method(const Json& run) {
  if (run["method"]["type"] == "full") return {{"type", "full"}};
  return {{"type", "lora"},
          {"loraConfig",
           {{"rank", run["method"]["r"]},
            {"alpha", run["method"]["lora_alpha"]},
            {"trainableModules", JoinedModules(run["method"]["target_modules"])}}}};
}

Json Configuration(const Json& run) {
  const Json& optimizer = run["optimizer"];
  return {
      {"model", {{"baseModel", run["model"]}, {"precision", "fp32"}}},
      {"datasets",
       {{"type", "preference"}, {"shuffle", false}, {"trainSplit", 1}, {"trainingFileId", "x"}}},
      {"objective",
       {{"type", "dpo"},
        {"dpo",
         {{"beta", run["beta"]},
          {"lossType", run.value("loss_type", "sigmoid")},
          {"labelSmoothing", run.value("label_smoothing", 0.0)},
          {"referenceFree", run.value("reference_free", false)}}}}},
      {"method", Method(run)},
      {"schedule",
       {{"maxSteps", run["steps"]},
        {"batchSize", run["batch_size"]},
        {"gradientAccumulation", run["grad_accum"]},
        {"evaluations", 0}}},
      {"optimizer",
       {{"name", "adamw"},
        {"learningRate", optimizer["lr"]},
        {"beta1", optimizer["betas"][0]},
        {"beta2", optimizer["betas"][1]},
        {"epsilon", optimizer["eps"]},
        {"weightDecay", optimizer["weight_decay"]},
        {"maxGradientNorm", run["max_grad_norm"]},
        {"scheduler",
         {{"type", run["schedule"]["type"]}, {"warmupSteps", run["schedule"]["warmup_steps"]}}}}}};
}

Json MakePlan(const Json& run, const fs::path& data, const fs::path& folder) {
  Json paths = {{"baseModel", Golden(run["model"])},
                {"train", folder / "train.jsonl"},
                {"validation", nullptr},
                {"output", folder / "out"},
                {"initAdapter", nullptr}};
  if (run["method"]["type"] == "lora") paths["initAdapter"] = data / "initial_adapter";
  return {{"planVersion", 1}, {"jobId", "parity"}, {"attempt", 1},
          {"device", "cpu"},  {"paths", paths},    {"configuration", Configuration(run)}};
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

void ExpectSameSteps(const Json& run, const std::vector<Json>& events) {
  std::vector<Json> metrics;
  for (const Json& event : events) {
    if (event["type"] == "metric") metrics.push_back(event);
  }
  ASSERT_EQ(metrics.size(), run["steps_log"].size());
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const Json& want = run["steps_log"][i];
    const Json& got = metrics[i];
    SCOPED_TRACE("step " + want["step"].dump());
    const double loss = want["loss"];
    EXPECT_NEAR(got["loss"].get<double>(), loss, 2e-5 * std::max(1.0, loss));
    const double norm = want["grad_norm"];
    EXPECT_NEAR(got["gradientNorm"].get<double>(), norm, 2e-5 * norm);
    EXPECT_NEAR(got["learningRate"].get<double>(), want["lr"].get<double>(), 1e-9);
    ExpectSameRewards(got, want);
  }
}

/// trainable_final.safetensors has names as PyTorch gives them: with the adapter's name in them.
std::string TorchName(std::string name) {
  name.insert(name.size() - sizeof ".weight" + 1, ".default");
  return name;
}

void ExpectSameWeights(const fs::path& fixture, const fs::path& data, const fs::path& adapter) {
  const auto got = Open(adapter / "adapter_model.safetensors");
  const auto initial = Open(data / "trainable_initial.safetensors");
  const auto want = Open(fixture / "trainable_final.safetensors");
  ASSERT_EQ(got.tensors().size(), want.tensors().size());
  double difference = 0;
  double change = 0;
  for (const auto& tensor : got.tensors()) {
    const auto values = Values(got, tensor.name);
    const auto expected = Values(want, TorchName(tensor.name));
    const auto before = Values(initial, TorchName(tensor.name));
    ASSERT_EQ(values.size(), expected.size()) << tensor.name;
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(values[i], expected[i], 1e-3) << tensor.name << " element " << i;
      difference += (values[i] - expected[i]) * (values[i] - expected[i]);
      change += (expected[i] - before[i]) * (expected[i] - before[i]);
    }
  }
  EXPECT_LT(std::sqrt(difference / change), 1e-3);
}

class PreferenceParity : public ::testing::TestWithParam<const char*> {};

TEST_P(PreferenceParity, EveryStepAgrees) {
  const fs::path fixture = Golden("runs") / GetParam();
  const Json run = ReadJson(fixture / "run.json");
  const fs::path data = Golden("runs") / run.value("data", GetParam());
  auto folder = TempDir::Create();
  ASSERT_TRUE(folder.has_value());
  WritePairs(run, data, folder->path() / "train.jsonl");
  std::ofstream(folder->path() / "plan.json") << MakePlan(run, data, folder->path()).dump(1);
  ASSERT_EQ(RunTrainer({"run", folder->path() / "plan.json"}).code, 0);
  ExpectSameSteps(run, ReadEvents(folder->path() / "out/events.jsonl"));
  if (run["method"]["type"] == "lora") {
    ExpectSameWeights(fixture, data, folder->path() / "out/adapter");
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, PreferenceParity,
                         ::testing::Values("llama_dpo_lora", "qwen2_dpo_lora", "llama_dpo_ipo",
                                           "llama_dpo_smoothed", "llama_dpo_reference_free",
                                           "llama_dpo_full"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace lathe::parity
