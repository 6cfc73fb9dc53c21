#include "tests/parity/recorded_run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

namespace lathe::parity {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

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

Json ConfigurationOf(const Json& run) {
  const Json& optimizer = run["optimizer"];
  return {
      {"model", {{"baseModel", run["model"]}, {"precision", "fp32"}}},
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
}

/// trainable_final.safetensors has names as PyTorch gives them: with the adapter's name in them.
std::string TorchName(std::string name) {
  for (const char* suffix : {".lora_A.weight", ".lora_B.weight"}) {
    if (name.ends_with(suffix)) name.insert(name.size() - sizeof ".weight" + 1, ".default");
  }
  if (name.ends_with(".lora_magnitude_vector")) name += ".default.weight";
  return name;
}

}  // namespace

RecordedRun OpenRun(const std::string& name) {
  const fs::path folder = Golden("runs") / name;
  Json run = ReadJson(folder / "run.json");
  fs::path starting = folder.parent_path() / run.value("data", name);
  return {.run = std::move(run), .folder = folder, .starting = std::move(starting)};
}

Json PlanOf(const RecordedRun& recorded, const Json& objective, const fs::path& work) {
  const Json& run = recorded.run;
  Json configuration = ConfigurationOf(run);
  configuration.update(objective);
  const bool full = run["method"]["type"] == "full";
  const Json initial = full ? Json() : Json(recorded.starting / "initial_adapter");
  return {{"planVersion", 1},
          {"jobId", "parity"},
          {"attempt", 1},
          {"device", "cpu"},
          {"configuration", configuration},
          {"paths",
           {{"baseModel", Golden(run["model"])},
            {"train", work / "train.jsonl"},
            {"validation", nullptr},
            {"output", work / "out"},
            {"initAdapter", initial}}},
          {"distributed", {{"worldSize", 1}}}};
}

std::vector<Json> RunPlan(const Json& plan, const fs::path& work) {
  std::ofstream(work / "plan.json") << plan.dump(1);
  EXPECT_EQ(RunTrainer({"run", work / "plan.json"}).code, 0);
  return ReadEvents(work / "out/events.jsonl");
}

void ExpectSameSteps(const RecordedRun& recorded, const std::vector<Json>& events,
                     const StepCheck& check) {
  std::vector<Json> metrics;
  for (const Json& event : events) {
    if (event["type"] == "metric") metrics.push_back(event);
  }
  const Json& steps = recorded.run["steps_log"];
  ASSERT_EQ(metrics.size(), steps.size());
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    SCOPED_TRACE("step " + steps[i]["step"].dump());
    EXPECT_EQ(metrics[i]["step"], steps[i]["step"]);
    EXPECT_NEAR(metrics[i]["learningRate"].get<double>(), steps[i]["lr"].get<double>(), 1e-9);
    check(metrics[i], steps[i]);
  }
}

std::string WeightsFile(const Json& method) {
  if (method["type"] == "full") return "model.safetensors";
  if (method.contains("projection_size")) return "prefix_projection.safetensors";
  return method["type"] == "adapter" ? "adapter.safetensors" : "adapter_model.safetensors";
}

void ExpectSameWeights(const RecordedRun& recorded, const fs::path& folder) {
  const Json& method = recorded.run["method"];
  const auto got = Open(folder / WeightsFile(method));
  const auto initial =
      Open(method["type"] == "full" ? Golden(recorded.run["model"]) / "model.safetensors"
                                    : recorded.starting / "trainable_initial.safetensors");
  const auto want = Open(recorded.folder / "trainable_final.safetensors");
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

}  // namespace lathe::parity
