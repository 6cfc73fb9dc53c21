// The Python reference's runs, step by step, through the real program.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "common/base/temp_dir.h"
#include "tests/parity/support.h"

namespace lathe::parity {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// Rows of the fixture's micro-batches as JSON lines, in the order in which a run uses them.
void WriteTokenized(const Json& run, const fs::path& fixture, const fs::path& to) {
  const std::string name = run.value("batches", fixture.filename().string());
  const auto file = Open(fixture.parent_path() / name / "batches.safetensors");
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

std::string JoinedModules(const Json& modules) {
  if (modules.is_string()) return modules;
  std::string text;
  for (const Json& name : modules) text += (text.empty() ? "" : ",") + name.get<std::string>();
  return text;
}

/// A run's method as this program's configuration has it.
Json MethodOf(const Json& method) {
  if (method["type"] == "full") return {{"type", "full"}};
  if (method["type"] == "prefix") {
    Json prefix = {{"type", "prefix"}, {"prefixLength", method["length"]}};
    if (method.contains("projection_size")) {
      prefix["prefixProjection"] = true;
      prefix["prefixHiddenSize"] = method["projection_size"];
    }
    return prefix;
  }
  if (method["type"] == "adapter") {
    return {{"type", "adapter"},
            {"adapterSize", method["size"]},
            {"adapterVariant", method["variant"]}};
  }
  Json result = {{"type", "lora"},
                 {"loraConfig",
                  {{"rank", method["r"]},
                   {"alpha", method["lora_alpha"]},
                   {"trainableModules", JoinedModules(method["target_modules"])},
                   {"useRslora", method.value("use_rslora", false)},
                   {"useDora", method.value("use_dora", false)},
                   {"bias", method.value("bias", "none")}}}};
  if (!method.contains("quant")) return result;
  result["type"] = "qlora";
  result["quantizationBits"] = method["quant"] == "int8" ? 8 : 4;
  if (method["quant"] == "int8") return result;
  result["quantType"] = method["quant"];
  result["doubleQuant"] = method["double_quant"];
  return result;
}

Json MakePlan(const Json& run, const fs::path& fixture, const fs::path& folder) {
  const Json& optimizer = run["optimizer"];
  const Json configuration = {
      {"model", {{"baseModel", run["model"]}, {"precision", "fp32"}}},
      {"datasets",
       {{"format", "tokenized"}, {"shuffle", false}, {"trainSplit", 1}, {"trainingFileId", "x"}}},
      {"method", MethodOf(run["method"])},
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
  const Json initial =
      run["method"]["type"] == "full" ? Json() : Json((fixture / "initial_adapter").string());
  return {{"planVersion", 1},
          {"jobId", "parity"},
          {"attempt", 1},
          {"device", "cpu"},
          {"configuration", configuration},
          {"paths",
           {{"baseModel", Golden(run["model"])},
            {"train", folder / "train.jsonl"},
            {"validation", nullptr},
            {"output", folder / "out"},
            {"initAdapter", initial}}},
          {"distributed", {{"worldSize", 1}}}};
}

/// trainable_final.safetensors has names as PyTorch gives them: with the adapter's name in them.
std::string TorchName(std::string name) {
  for (const char* suffix : {".lora_A.weight", ".lora_B.weight"}) {
    if (name.ends_with(suffix)) name.insert(name.size() - sizeof ".weight" + 1, ".default");
  }
  if (name.ends_with(".lora_magnitude_vector")) name += ".default.weight";
  return name;
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
    EXPECT_EQ(got["step"], want["step"]);
    EXPECT_NEAR(got["loss"].get<double>(), want["loss"].get<double>(), 2e-5);
    const double norm = want["grad_norm"].get<double>();
    EXPECT_NEAR(got["gradientNorm"].get<double>(), norm, 1e-5 * norm);
    EXPECT_NEAR(got["learningRate"].get<double>(), want["lr"].get<double>(), 1e-9);
    EXPECT_EQ(got["targetTokens"], want["num_tokens"]);
  }
}

/// The file that holds what is trained.
std::string WeightsFile(const Json& method) {
  if (method["type"] == "full") return "model.safetensors";
  if (method.contains("projection_size")) return "prefix_projection.safetensors";
  return method["type"] == "adapter" ? "adapter.safetensors" : "adapter_model.safetensors";
}

void ExpectSameWeights(const Json& run, const fs::path& fixture, const fs::path& adapter) {
  const bool full = run["method"]["type"] == "full";
  const auto got = Open(adapter / WeightsFile(run["method"]));
  const auto initial = Open(full ? Golden(run["model"]) / "model.safetensors"
                                 : fixture / "trainable_initial.safetensors");
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

class TrainingParity : public ::testing::TestWithParam<const char*> {};

TEST_P(TrainingParity, EveryStepAgrees) {
  const fs::path fixture = Golden("runs") / GetParam();
  const Json run = ReadJson(fixture / "run.json");
  auto folder = TempDir::Create();
  ASSERT_TRUE(folder.has_value());
  WriteTokenized(run, fixture, folder->path() / "train.jsonl");
  std::ofstream(folder->path() / "plan.json") << MakePlan(run, fixture, folder->path()).dump(1);
  ASSERT_EQ(RunTrainer({"run", folder->path() / "plan.json"}).code, 0);
  ExpectSameSteps(run, ReadEvents(folder->path() / "out/events.jsonl"));
  ExpectSameWeights(run, fixture, folder->path() / "out/adapter");
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
