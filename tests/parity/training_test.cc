// The Python reference's runs, step by step, through the real program.

#include <gtest/gtest.h>

#include <fstream>

#include "common/base/temp_dir.h"
#include "tests/parity/recorded_run.h"

namespace lathe::parity {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// Rows of the fixture's micro-batches as JSON lines, in the order in which a run uses them.
void WriteTokenized(const RecordedRun& recorded, const fs::path& to) {
  const Json& run = recorded.run;
  const std::string name = run.value("batches", recorded.folder.filename().string());
  const auto file = Open(Golden("runs") / name / "batches.safetensors");
  const auto width = run["seq_len"].get<std::size_t>();
  std::ofstream out(to);
  for (int batch = 0; batch < run["distinct_microbatches"].get<int>(); ++batch) {
    const std::string prefix = std::to_string(batch) + ".";
    const auto ids = Values(file, prefix + "input_ids");
    const auto mask = Values(file, prefix + "attention_mask");
    const auto labels = Values(file, prefix + "labels");
    for (std::size_t begin = 0; begin < ids.size(); begin += width) {
      Json row = {{"input_ids", Json::array()}, {"labels", Json::array()}};
      for (std::size_t i = begin; i < begin + width && mask[i] != 0; ++i) {
        row["input_ids"].push_back(static_cast<int>(ids[i]));
        row["labels"].push_back(static_cast<int>(labels[i]));
      }
      out << row.dump() << "\n";
    }
  }
}

Json TokenizedRows() {
  return {
      {"datasets",
       {{"format", "tokenized"}, {"shuffle", false}, {"trainSplit", 1}, {"trainingFileId", "x"}}}};
}

void ExpectSameStep(const Json& got, const Json& want) {
  EXPECT_NEAR(got["loss"].get<double>(), want["loss"].get<double>(), 2e-5);
  const double norm = want["grad_norm"];
  EXPECT_NEAR(got["gradientNorm"].get<double>(), norm, 1e-5 * norm);
  EXPECT_EQ(got["targetTokens"], want["num_tokens"]);
}

class TrainingParity : public ::testing::TestWithParam<const char*> {};

TEST_P(TrainingParity, EveryStepAgrees) {
  const RecordedRun recorded = OpenRun(GetParam());
  const TempDir folder = TempDir::Create().value();
  WriteTokenized(recorded, folder.path() / "train.jsonl");
  const auto events = RunPlan(PlanOf(recorded, TokenizedRows(), folder.path()), folder.path());
  ExpectSameSteps(recorded, events, ExpectSameStep);
  ExpectSameWeights(recorded, folder.path() / "out/adapter");
}

INSTANTIATE_TEST_SUITE_P(
    Runs, TrainingParity,
    ::testing::Values("llama_lora_qv", "llama_lora_all", "llama_lora_all_nonzeroB_clip",
                      "llama3_lora_lmhead", "qwen2_lora_all", "llama_qlora_nf4", "llama_qlora_fp4",
                      "qwen2_qlora_int8", "mistral_lora_all", "qwen3_lora_all", "gemma2_lora_all",
                      "gemma3_lora_all", "phi3_lora_all", "smollm3_lora_all", "llama_dora_all",
                      "qwen2_qlora_dora_rslora", "qwen2_lora_bias_all", "qwen2_lora_bias_only",
                      "llama_full", "qwen2_full", "llama_prefix", "qwen2_prefix",
                      "llama_prefix_projected", "llama_adapter_pfeiffer", "llama_adapter_houlsby",
                      "llama_adapter_parallel"),
    [](const auto& instance) { return std::string(instance.param); });

/// Logits of the first micro-batch with the reference's trained adapter, in its own layout.
class AdapterParity : public ::testing::TestWithParam<const char*> {};

TEST_P(AdapterParity, LogitsAgree) {
  const fs::path fixture = Golden("runs") / GetParam();
  const Json run = ReadJson(fixture / "run.json");
  const TempDir folder = TempDir::Create().value();
  const fs::path adapter = folder.path() / "adapter";
  fs::copy(fixture / "initial_adapter", adapter);
  fs::copy_file(fixture / "trainable_final.safetensors", adapter / WeightsFile(run["method"]),
                fs::copy_options::overwrite_existing);
  const auto batches = Open(Golden("runs") / std::string(run["batches"]) / "batches.safetensors");
  std::vector<trainer::formats::TensorInfo> input;
  for (const char* name : {"input_ids", "attention_mask"}) {
    input.push_back(*batches.Find(std::string("0.") + name));
    input.back().name = name;
  }
  ASSERT_TRUE(trainer::formats::WriteSafetensors(folder.path() / "in.safetensors", input, {}));
  ASSERT_EQ(RunTrainer({"logits", Golden(run["model"]), folder.path() / "in.safetensors",
                        folder.path() / "out.safetensors", "--adapter", adapter})
                .code,
            0);
  const auto got = Values(Open(folder.path() / "out.safetensors"), "logits");
  const auto want = Values(Open(fixture / "final_logits_mb0.safetensors"), "logits");
  const auto mask = Values(batches, "0.attention_mask");
  ASSERT_EQ(got.size(), want.size());
  const std::size_t vocabulary = want.size() / mask.size();
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (mask[i / vocabulary] == 0) continue;
    ASSERT_NEAR(got[i], want[i], 1e-4) << "element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, AdapterParity,
                         ::testing::Values("llama_prefix", "qwen2_prefix", "llama_adapter_pfeiffer",
                                           "llama_adapter_houlsby", "llama_adapter_parallel"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace lathe::parity
