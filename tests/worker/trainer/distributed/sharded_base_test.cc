// Processes that hold the base weights in parts compute what processes that hold all of them do,
// to the bit, and need less memory.

#include <list>
#include <random>

#include "tests/worker/trainer/distributed/several_processes.h"
#include "tests/worker/trainer/loop/talking_model.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::parity {
namespace {

struct Size {
  std::int64_t hidden = 64;
  std::int64_t intermediate = 160;
  int layers = 5;  ///< more than are whole at a time
};

class ShardedBase : public SeveralProcesses {
 protected:
  /// A random model of that size with the tokenizer of the tiny one.
  void WriteModel(const Size& size) {
    namespace formats = trainer::formats;
    const fs::path folder = root() / "model";
    fs::copy(Golden("models/llama_tiny"), folder);
    fs::remove(folder / "model.safetensors");
    Json config = Json::parse(*ReadFile(folder / "config.json"));
    config["hidden_size"] = size.hidden;
    config["intermediate_size"] = size.intermediate;
    config["num_hidden_layers"] = size.layers;
    config["head_dim"] = size.hidden / 4;
    fs::remove(folder / "config.json");
    std::ofstream(folder / "config.json") << config.dump();
    std::vector<formats::TensorInfo> tensors;
    std::list<std::vector<float>> storage;
    const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
      std::int64_t count = 1;
      for (const std::int64_t n : shape) count *= n;
      auto& values = storage.emplace_back(static_cast<std::size_t>(count), 1.0F);
      if (shape.size() > 1) Fill(values);
      tensors.push_back({name + ".weight", formats::DType::kF32, std::move(shape),
                         std::as_bytes(std::span(values))});
    };
    const std::int64_t hidden = size.hidden;
    add("model.embed_tokens", {512, hidden});
    add("model.norm", {hidden});
    for (int i = 0; i < size.layers; ++i) {
      const std::string layer = "model.layers." + std::to_string(i) + ".";
      add(layer + "input_layernorm", {hidden});
      add(layer + "post_attention_layernorm", {hidden});
      add(layer + "self_attn.q_proj", {hidden, hidden});
      add(layer + "self_attn.k_proj", {hidden / 2, hidden});
      add(layer + "self_attn.v_proj", {hidden / 2, hidden});
      add(layer + "self_attn.o_proj", {hidden, hidden});
      add(layer + "mlp.gate_proj", {size.intermediate, hidden});
      add(layer + "mlp.up_proj", {size.intermediate, hidden});
      add(layer + "mlp.down_proj", {hidden, size.intermediate});
    }
    ASSERT_TRUE(formats::WriteSafetensors(folder / "model.safetensors", tensors, {}));
    base_model_ = folder;
    init_adapter_ = nullptr;
  }

  void Fill(std::vector<float>& values) {
    for (float& value : values) value = (static_cast<float>(random_() >> 8) * 0x1p-24F - 0.5F) / 8;
  }

  /// Steps of batches that no number of processes divides, and evaluations.
  static Json Uneven() {
    Json configuration = Configuration(3, 3);
    configuration["method"]["loraConfig"]["dropout"] = 0.1;
    configuration["schedule"]["maxSteps"] = 4;
    configuration["schedule"]["evalSteps"] = 2;
    return configuration;
  }

  void ExpectSameBits(const Json& configuration, int ranks) {
    const std::string name = std::to_string(ranks) + "-" + std::to_string(runs_++);
    base_weights_ = "replicated";
    Train("whole-" + name, configuration, ranks);
    base_weights_ = "sharded";
    Train("parts-" + name, configuration, ranks);
    if (HasFatalFailure()) return;
    EXPECT_EQ(Events("whole-" + name, "started")[0]["baseWeights"], "replicated");
    EXPECT_EQ(Events("parts-" + name, "started")[0]["baseWeights"], "sharded");
    for (const char* type : {"metric", "evaluation"}) {
      const auto whole = Events("whole-" + name, type);
      const auto parts = Events("parts-" + name, type);
      ASSERT_EQ(parts.size(), whole.size());
      for (std::size_t i = 0; i < parts.size(); ++i) {
        EXPECT_EQ(parts[i]["loss"], whole[i]["loss"]);
        EXPECT_EQ(parts[i].value("responseQuality", -1.0), whole[i].value("responseQuality", -1.0));
      }
    }
    for (const auto& entry : fs::directory_iterator(root() / ("whole-" + name) / "adapter")) {
      const fs::path file = entry.path().filename();
      EXPECT_EQ(*ReadFile(root() / ("parts-" + name) / "adapter" / file), *ReadFile(entry.path()))
          << file;
    }
  }

  std::minstd_rand random_{7};
  int runs_ = 0;
};

TEST_F(ShardedBase, IsTheSameToTheBit) {
  WriteModel({});
  ExpectSameBits(Uneven(), 2);
  Json configuration = Uneven();
  configuration["optimizations"]["enabled"] = {"gradient_checkpointing"};
  ExpectSameBits(configuration, 4);
}

TEST_F(ShardedBase, QuantisedWeightsToo) {
  WriteModel({});
  Json configuration = Uneven();
  configuration["method"]["type"] = "qlora";
  configuration["method"]["quantizationBits"] = 4;
  ExpectSameBits(configuration, 2);
}

TEST_F(ShardedBase, DoraMeasuresWholeWeightsAllTheSame) {
  WriteModel({});
  Json configuration = Uneven();
  configuration["method"]["loraConfig"]["useDora"] = true;
  // The end takes up the best values again, in every process.
  configuration["schedule"]["maxSteps"] = 8;
  configuration["schedule"]["evalSteps"] = 1;
  configuration["schedule"]["earlyStoppingPatience"] = 1;
  configuration["schedule"]["earlyStoppingThreshold"] = 100;
  ExpectSameBits(configuration, 2);
  configuration["method"]["type"] = "qlora";
  ExpectSameBits(configuration, 2);
}

TEST_F(ShardedBase, OtherMethodsAndPreferencesToo) {
  WriteModel({});
  Json configuration = Uneven();
  configuration["method"] = {{"type", "prefix"}};
  ExpectSameBits(configuration, 2);
  std::ofstream out(root() / "train.jsonl");
  for (int row = 0; row < 21; ++row) {
    out << Json{{"prompt_ids", {row, 7}}, {"chosen_ids", {5, row}}, {"rejected_ids", {260, row}}}
               .dump()
        << "\n";
  }
  out.close();
  configuration = Uneven();
  configuration["datasets"] = {{"trainSplit", 0.8}};
  configuration["objective"] = {{"type", "dpo"}};
  ExpectSameBits(configuration, 2);
}

TEST_F(ShardedBase, AnswersAreGeneratedTogether) {
  base_model_ = root() / "talking";
  init_adapter_ = nullptr;
  WriteTalkingModel(base_model_);
  std::ofstream(root() / "train.jsonl") << TalkingRows() << TalkingRows() << TalkingRows();
  Json configuration = Uneven();
  configuration["datasets"] = {{"trainSplit", 0.6}};
  configuration["evaluation"]["metrics"] = {"response_quality"};
  ExpectSameBits(configuration, 2);  // Five answers: one process has more of them.
  const auto evaluations = Events("parts-2-0", "evaluation");
  ASSERT_FALSE(evaluations.empty());
  EXPECT_EQ(evaluations[0]["generatedAnswers"], 5);
  EXPECT_TRUE(evaluations[0].contains("responseQuality"));
}

TEST_F(ShardedBase, GoesOnAfterASignal) {
  WriteModel({});
  Json configuration = Uneven();
  configuration["schedule"]["maxSteps"] = 20;
  configuration["schedule"].erase("evalSteps");
  base_weights_ = "sharded";
  Train("whole", configuration, 2);
  auto children = Start(WritePlan("again", configuration), 2);
  WaitForSteps("again", 5);
  children[1].Signal(SIGTERM);
  ASSERT_EQ(Codes(children), (std::vector<int>{75, 75}));
  base_weights_ = "replicated";  // A matter of the processes, not of the run.
  Train("again", configuration, 2);
  EXPECT_EQ(Adapter("again"), Adapter("whole"));
}

TEST_F(ShardedBase, NeedsLessMemory) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the address sanitizer keeps what was given back";
#endif
  WriteModel({.hidden = 512, .intermediate = 2048, .layers = 10});  // 157 MB
  Json configuration = Configuration(4, 1);
  configuration["schedule"]["maxSteps"] = 2;
  configuration["schedule"].erase("evalSteps");
  const auto memory = [&](const char* base_weights, int ranks) {
    base_weights_ = base_weights;
    const std::string output = base_weights + std::to_string(ranks);
    Train(output, configuration, ranks);
    const auto steps = Events(output, "metric");
    return steps.empty() ? 0.0 : steps.back()["memoryBytes"].get<double>();
  };
  // Of ten layers, four processes keep two and a half each, and two or three that are in use.
  const double saved = memory("replicated", 4) - memory("sharded", 4);
  RecordProperty("saved_bytes", std::to_string(saved));
  EXPECT_GT(saved, 4 * 157e6 * 0.4);
}

TEST_F(ShardedBase, IsRefusedWhereWholeWeightsAreLookedAt) {
  Json configuration = Configuration(2, 1);
  configuration["method"] = {{"type", "full"}};
  base_weights_ = "sharded";
  init_adapter_ = nullptr;
  auto children = Start(WritePlan("full", configuration), 2);
  EXPECT_EQ(Codes(children), (std::vector<int>{6, 6}));
  const auto failed = Events("full", "failed");
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0]["findings"][0]["path"], "distributed.baseWeights");
}

}  // namespace
}  // namespace lathe::parity
