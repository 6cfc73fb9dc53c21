// What is wrong with a plan, a model or data ends the program with a message that names it.

#include <gmock/gmock.h>

#include <cstring>

#include "tests/worker/trainer/commands/trainer_fixture.h"
#include "tests/worker/trainer/formats/test_files.h"
#include "worker/trainer/formats/safetensors.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using trainer_protocol::kExitInvalid;

class BadInput : public TrainerFixture {
 protected:
  /// The run fails as invalid, says all of that, and logs the failure.
  void ExpectInvalid(const std::vector<std::string>& said) {
    EXPECT_EQ(Run(), kExitInvalid) << errors();
    for (const std::string& text : said) EXPECT_THAT(errors(), HasSubstr(text));
    if (!fs::exists(root() / "out/events.jsonl")) return;
    const Json last = Events().back();
    EXPECT_EQ(last["type"], "failed");
    EXPECT_THAT(errors(), HasSubstr(last["message"].get<std::string>()));
    EXPECT_FALSE(fs::exists(root() / "out/adapter"));
  }
  /// A copy of the tiny model that may be damaged.
  fs::path CopyModel() {
    const fs::path folder = root() / "model";
    fs::create_directories(folder);
    for (const char* name : {"config.json", "model.safetensors"}) {
      fs::copy_file(parity::Golden("models/llama_tiny") / name, folder / name,
                    fs::copy_options::overwrite_existing);
    }
    plan_["paths"]["baseModel"] = folder;
    return folder;
  }
  /// Writes the named tensors of the tiny model to a file.
  template <class Keep>
  static void WriteSome(const fs::path& file, const Keep& keep) {
    const auto model = parity::Open(parity::Golden("models/llama_tiny/model.safetensors"));
    std::vector<formats::TensorInfo> tensors;
    for (const auto& tensor : model.tensors()) {
      if (keep(tensor.name)) tensors.push_back(tensor);
    }
    ASSERT_TRUE(formats::WriteSafetensors(file, tensors, {}));
  }
};

TEST_F(BadInput, TheSoundPlanRuns) {
  EXPECT_EQ(Run(), 0) << errors();
  EXPECT_EQ(Events().back()["type"], "succeeded");
}

TEST_F(BadInput, UnknownModel) {
  plan_["paths"]["baseModel"] = "/none/such";
  ExpectInvalid({"paths.baseModel", "/none/such"});
}

TEST_F(BadInput, AFolderThatIsNoModel) {
  plan_["paths"]["baseModel"] = root();
  ExpectInvalid({"config.json"});
}

TEST_F(BadInput, UnreadableDataset) {
  plan_["paths"]["train"] = root() / "none.jsonl";
  ExpectInvalid({"paths.train", "none.jsonl"});
  plan_["paths"]["train"] = root();
  ExpectInvalid({"paths.train", "is not a file"});
}

TEST_F(BadInput, EmptyDataset) {
  Write("train.jsonl", "\n\n");
  ExpectInvalid({"train.jsonl is empty"});
}

TEST_F(BadInput, BrokenLinesAreNumbered) {
  Write("train.jsonl", Rows(2) + "{\"input_ids\": [1], \n" + Rows(1) +
                           "{\"input_ids\": [1, 512], \"labels\": [1, 1]}\n");
  ExpectInvalid({"train.jsonl:3", "is no JSON object", "train.jsonl:5", "token 512 at position 1"});
}

TEST_F(BadInput, MendedInputRunsInTheSameFolder) {
  Write("train.jsonl", "{\n");
  ExpectInvalid({"train.jsonl:1"});
  Write("train.jsonl", Rows(4));
  EXPECT_EQ(Run(), 0) << errors();
  const auto events = Events();
  EXPECT_EQ(events.back()["type"], "succeeded");
  for (std::size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i]["seq"], i + 1);
}

TEST_F(BadInput, ValuesOutOfRangeUnknownKeysAndVersions) {
  plan_["configuration"]["schedule"]["batchSize"] = 0;
  plan_["configuration"]["optimizer"] = {{"learningrate", 1}};
  plan_["surplus"] = 1;
  ExpectInvalid({"configuration.schedule.batchSize: is not at least 1", "(given 0)",
                 "did you mean optimizer.learningRate?", "surplus"});
}

TEST_F(BadInput, AnotherPlanVersion) {
  plan_["planVersion"] = 2;
  ExpectInvalid({"planVersion is 2", "version 1"});
}

TEST_F(BadInput, PlansThatAreNone) {
  EXPECT_EQ(RunWith({}, {"run", (root() / "none.json").string()}), kExitInvalid);
  EXPECT_THAT(errors(), HasSubstr("none.json"));
  Write("broken.json", "{");
  EXPECT_EQ(RunWith({}, {"run", (root() / "broken.json").string()}), kExitInvalid);
  EXPECT_THAT(errors(), HasSubstr("no JSON object"));
}

TEST_F(BadInput, NumbersBeyondTheRangeOfWholeNumbers) {
  plan_["configuration"]["datasets"]["maxSamples"] = 18446744073709551615ULL;
  ExpectInvalid({"configuration.datasets.maxSamples"});
}

TEST_F(BadInput, UnknownModules) {
  plan_["configuration"]["method"] = {{"loraConfig", {{"trainableModules", "q_proj,q_prj"}}}};
  ExpectInvalid({"no linear layer \"q_prj\"", "q_proj, up_proj"});
  plan_["configuration"]["method"] = {{"loraConfig", {{"trainableModules", " , "}}}};
  ExpectInvalid({"method.loraConfig.trainableModules", "names no module"});
}

TEST_F(BadInput, AGpuThatIsNotThere) {
  plan_["device"] = "cuda:99";
  ExpectInvalid({"device cuda:99"});
  plan_["device"] = "tpu";
  ExpectInvalid({"device \"tpu\""});
}

TEST_F(BadInput, AModelThatLacksAWeight) {
  const fs::path folder = CopyModel();
  WriteSome(folder / "model.safetensors",
            [](const std::string& name) { return name != "model.layers.1.mlp.up_proj.weight"; });
  ExpectInvalid({"model.layers.1.mlp.up_proj.weight is missing", folder.string()});
}

TEST_F(BadInput, ATruncatedModel) {
  const fs::path file = CopyModel() / "model.safetensors";
  fs::resize_file(file, fs::file_size(file) - 100);
  ExpectInvalid({"model.safetensors", "is the file truncated?"});
}

TEST_F(BadInput, AConfigurationThatIsNotTheWeights) {
  const fs::path folder = CopyModel();
  Json config = parity::ReadJson(folder / "config.json");
  config["intermediate_size"] = 96;
  Write("model/config.json", config.dump());
  ExpectInvalid({"mlp.gate_proj.weight has shape [128, 64], expected [96, 64]"});
  config["num_hidden_layers"] = 1 << 24;
  Write("model/config.json", config.dump());
  ExpectInvalid({"layer count 16777216"});
}

TEST_F(BadInput, ShardedModelsRunAndNameAShardThatIsMissing) {
  const fs::path folder = CopyModel();
  fs::remove(folder / "model.safetensors");
  const auto first = [](const std::string& name) { return name.find("layers.0") < name.size(); };
  WriteSome(folder / "model-1.safetensors", first);
  WriteSome(folder / "model-2.safetensors", [&](const auto& name) { return !first(name); });
  Json map = Json::object();
  for (const char* shard : {"model-1.safetensors", "model-2.safetensors"}) {
    const auto file = parity::Open(folder / shard);
    for (const auto& tensor : file.tensors()) map[tensor.name] = shard;
  }
  Write("model/model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  EXPECT_EQ(Run(), 0) << errors();
  plan_["paths"]["output"] = root() / "out2";
  fs::remove(folder / "model-2.safetensors");
  EXPECT_EQ(Run(), kExitInvalid);
  EXPECT_THAT(errors(), HasSubstr("model-2.safetensors"));
}

/// A GGUF file that is sound as such, with one tensor.
std::string OneTensorGguf(std::uint64_t layers) {
  std::string bytes = formats::GgufHeader(3, 1, 6);
  formats::PutString(bytes, "general.architecture");
  formats::Put<std::uint32_t>(bytes, 8);
  formats::PutString(bytes, "llama");
  const auto integer = [&](const std::string& key, std::uint64_t value) {
    formats::PutString(bytes, "llama." + key);
    formats::Put<std::uint32_t>(bytes, 10);
    formats::Put<std::uint64_t>(bytes, value);
  };
  integer("embedding_length", 8);
  integer("block_count", layers);
  integer("attention.head_count", 2);
  integer("feed_forward_length", 16);
  formats::PutString(bytes, "llama.attention.layer_norm_rms_epsilon");
  formats::Put<std::uint32_t>(bytes, 6);
  formats::Put<float>(bytes, 1e-5F);
  formats::PutString(bytes, "token_embd.weight");
  formats::Put<std::uint32_t>(bytes, 2);
  formats::Put<std::uint64_t>(bytes, 8);
  formats::Put<std::uint64_t>(bytes, 10);
  formats::Put<std::uint32_t>(bytes, 0);
  formats::Put<std::uint64_t>(bytes, 0);
  bytes.resize((bytes.size() + 31) / 32 * 32);
  return bytes + std::string(8 * 10 * 4, '\0');
}

TEST_F(BadInput, CorruptGgufFilesAreNamedWithTheirTensor) {
  plan_["paths"]["baseModel"] = root() / "model.gguf";
  const std::string sound = OneTensorGguf(1);
  Write("model.gguf", sound.substr(0, sound.size() - 16));
  ExpectInvalid({"model.gguf", "tensor token_embd.weight", "is the file truncated?"});
  Write("model.gguf", "GGUX" + sound.substr(4));
  ExpectInvalid({"model.gguf"});
  Write("model.gguf", sound.substr(0, 60));
  ExpectInvalid({"model.gguf"});
  Write("model.gguf", "");
  ExpectInvalid({"model.gguf"});
}

TEST_F(BadInput, AGgufWithoutAWeight) {
  plan_["paths"]["baseModel"] = root() / "model.gguf";
  Write("model.gguf", OneTensorGguf(1));
  ExpectInvalid({"model.gguf", "tensor output_norm.weight is missing"});
  Write("model.gguf", OneTensorGguf(std::uint64_t{1} << 24));
  ExpectInvalid({"model.gguf", "layer count 16777216"});
}

TEST_F(BadInput, TokenizedRowsNeedNoTokenizerAndOthersSayThatTheyDo) {
  plan_["configuration"]["datasets"]["format"] = "auto";
  EXPECT_EQ(Run(), 0) << errors();  // The tiny model has no tokenizer.json.
  plan_["paths"]["output"] = root() / "out2";
  Write("train.jsonl", "{\"text\": \"a\"}\n");
  EXPECT_EQ(Run(), kExitInvalid);
  EXPECT_THAT(errors(), HasSubstr("rows of format text"));
  EXPECT_THAT(errors(), HasSubstr("tokenizer.json"));
}

TEST_F(BadInput, AnAdapterThatDoesNotFit) {
  plan_["paths"]["initAdapter"] = parity::Golden("runs/llama_lora_qv/initial_adapter");
  ExpectInvalid({"paths.initAdapter", "the adapter has rank 4, scale 2, this run rank 8"});
  plan_["configuration"]["method"] = {{"loraConfig", {{"rank", 4}, {"alpha", 8}}}};
  ExpectInvalid({"paths.initAdapter", "mlp.down_proj: the adapter has nothing, this run rank 4"});
  plan_["configuration"]["method"] = {{"type", "full"}};
  ExpectInvalid({"paths.initAdapter", "method.type full cannot be gone on from a saved folder"});
}

}  // namespace
}  // namespace lathe::trainer::commands
