// Merged models compute what the model with its adapter computes, in every form that they are
// written in, through the real program.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "common/base/temp_dir.h"
#include "tests/parity/support.h"
#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/formats/gguf.h"

namespace lathe::parity {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Case {
  const char* model;
  const char* adapter;  ///< below tests/golden/runs
  const char* format;
  const char* precision;
  const char* shard_size;
  double tolerance;
};

class MergeTest : public testing::TestWithParam<Case> {
 protected:
  std::vector<double> Logits(const fs::path& model, const std::vector<std::string>& more) const {
    const fs::path file = folder_.path() / "logits.safetensors";
    std::vector<std::string> arguments = {"logits", model, input(), file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(RunTrainer(arguments).code, 0);
    return Values(Open(file), "logits");
  }
  fs::path model() const { return Golden("models") / GetParam().model; }
  fs::path input() const { return model() / "logits.safetensors"; }
  const TempDir folder_ = TempDir::Create().value();
};

TEST_P(MergeTest, LogitsAreThoseOfTheAdapter) {
  const Case& given = GetParam();
  const fs::path adapter = Golden("runs") / given.adapter / "initial_adapter";
  const fs::path merged = folder_.path() / "merged";
  ASSERT_EQ(
      RunTrainer({"merge", model(), "--adapter", adapter, "--output", merged, "--format",
                  given.format, "--precision", given.precision, "--shard-size", given.shard_size})
          .code,
      0);
  const auto want = Logits(model(), {"--adapter", adapter});
  const auto base = Logits(model(), {});
  const auto got = Logits(merged, {});
  ASSERT_EQ(got.size(), want.size());
  double distance = 0;
  double change = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    distance = std::max(distance, std::abs(got[i] - want[i]));
    change = std::max(change, std::abs(base[i] - want[i]));
  }
  EXPECT_LT(distance, given.tolerance);
  EXPECT_GT(change, 10 * given.tolerance) << "the adapter changes nothing";
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    EXPECT_THAT(entry.path().filename().string(), testing::Not(testing::HasSubstr(".tmp-")));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, MergeTest,
    testing::Values(
        Case{"llama_tiny", "llama_dora_all", "safetensors", "fp32", "1GB", 1e-4},
        Case{"llama_tiny", "llama_lora_all_nonzeroB_clip", "safetensors", "fp32", "50KB", 1e-4},
        Case{"qwen2_tiny", "qwen2_qlora_dora_rslora", "safetensors", "bf16", "1GB", 1e-1},
        Case{"llama_tiny", "llama_dora_all", "gguf", "fp32", "1GB", 1e-4},
        Case{"llama_tiny", "llama_lora_all_nonzeroB_clip", "gguf", "q8_0", "1GB", 3e-1},
        Case{"qwen2_tiny", "qwen2_qlora_dora_rslora", "gguf", "fp16", "1GB", 2e-2}),
    [](const auto& instance) {
      return std::string(instance.param.adapter) + "_" + instance.param.format + "_" +
             instance.param.precision;
    });

/// The logits of a composition, against those of a model into which its adapters were merged one
/// after the other.
class MergedOneAfterAnother : public testing::Test {
 protected:
  std::vector<double> Logits(const fs::path& model, const std::vector<std::string>& more) const {
    const fs::path file = folder_.path() / "logits.safetensors";
    std::vector<std::string> arguments = {"logits", model, model_ / "logits.safetensors", file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(RunTrainer(arguments).code, 0);
    return Values(Open(file), "logits");
  }
  void ExpectSame(const std::vector<fs::path>& adapters, const std::string& composition) const {
    fs::path merged = model_;
    for (std::size_t i = 0; i < adapters.size(); ++i) {
      const fs::path next = folder_.path() / (composition.substr(0, 3) + std::to_string(i));
      ASSERT_EQ(RunTrainer({"merge", merged, "--adapter", adapters[i], "--output", next}).code, 0);
      merged = next;
    }
    const auto want = Logits(merged, {});
    const auto got = Logits(model_, {"--compose", composition});
    const auto base = Logits(model_, {});
    ASSERT_EQ(got.size(), want.size());
    double change = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], want[i], 1e-4);
      change = std::max(change, std::abs(base[i] - want[i]));
    }
    EXPECT_GT(change, 1e-3) << "the adapters change nothing";
  }
  const TempDir folder_ = TempDir::Create().value();
  const fs::path model_ = Golden("models/llama_tiny");
  const fs::path lora_ = Golden("runs/llama_lora_all_nonzeroB_clip/initial_adapter");
};

TEST_F(MergedOneAfterAnother, IsWhatSequentialMeans) {
  const fs::path dora = Golden("runs/llama_dora_all/initial_adapter");
  ExpectSame({lora_, dora}, "sequential:" + lora_.string() + "," + dora.string());
  const fs::path again = folder_.path() / "again";  // An adapter takes part once.
  fs::copy(dora, again);
  ExpectSame({dora, lora_, again},
             "Sequence=sequential:" + dora.string() + "," + lora_.string() + "," + again.string());
}

TEST_F(MergedOneAfterAnother, TheSameLoraTwiceHasWeightTwo) {
  ExpectSame({lora_, lora_}, "additive:" + lora_.string() + "=2");
}

std::vector<float> Dequantized(const trainer::formats::TensorInfo& tensor) {
  const std::int64_t rows = trainer::formats::RowCount(tensor);
  std::vector<float> values(static_cast<std::size_t>(rows * trainer::formats::RowElements(tensor)));
  EXPECT_TRUE(trainer::formats::DequantizeRows(tensor, {0, rows}, values).has_value());
  return values;
}

class MergeForms : public testing::Test {
 protected:
  int Merge(const fs::path& model, const fs::path& adapter, const fs::path& output,
            const std::string& format) const {
    return RunTrainer(
               {"merge", model, "--adapter", adapter, "--output", output, "--format", format})
        .code.value_or(-1);
  }
  const TempDir folder_ = TempDir::Create().value();
  const fs::path llama_ = Golden("models/llama_tiny");
  const fs::path adapter_ = Golden("runs/llama_lora_qv/initial_adapter");
};

TEST_F(MergeForms, AModelAloneIsExportedAsItIs) {
  const fs::path file = folder_.path() / "model.gguf";
  const fs::path again = folder_.path() / "again";
  ASSERT_EQ(
      RunTrainer({"export", llama_, "--output", file, "--format", "gguf", "--precision", "fp32"})
          .code,
      0);
  ASSERT_EQ(RunTrainer({"export", file, "--output", again}).code, 0);
  const auto before = Open(llama_ / "model.safetensors");
  const auto after = Open(again / "model.safetensors");
  ASSERT_EQ(before.tensors().size(), after.tensors().size());
  for (const auto& tensor : before.tensors()) {
    EXPECT_EQ(Values(before, tensor.name), Values(after, tensor.name)) << tensor.name;
  }
}

TEST_F(MergeForms, AFolderIsDividedIntoShardsWithAnIndex) {
  const fs::path merged = folder_.path() / "merged";
  ASSERT_EQ(RunTrainer({"merge", llama_, "--adapter", adapter_, "--output", merged, "--shard-size",
                        "100KB"})
                .code,
            0);
  const auto index = ReadJson(merged / "model.safetensors.index.json");
  EXPECT_GT(index["metadata"]["total_size"].get<int>(), 100'000);
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    EXPECT_NE(Open(merged / file.get<std::string>()).Find(tensor), nullptr);
  }
  EXPECT_TRUE(fs::exists(merged / "generation_config.json"));
}

TEST_F(MergeForms, AnExportOfAnExportIsTheSame) {
  const fs::path first = folder_.path() / "first.gguf";
  const fs::path second = folder_.path() / "second.gguf";
  ASSERT_EQ(Merge(llama_, adapter_, first, "gguf"), 0);
  ASSERT_EQ(Merge(first, adapter_, second, "gguf"), 0);  // Its B is zero: nothing changes.
  const auto a = trainer::formats::Gguf::Open(first);
  const auto b = trainer::formats::Gguf::Open(second);
  ASSERT_TRUE(a.has_value());
  ASSERT_TRUE(b.has_value()) << b.error().message;
  EXPECT_EQ(a->metadata(), b->metadata());
  ASSERT_EQ(a->tensors().size(), b->tensors().size());
  for (const auto& tensor : a->tensors()) {
    const auto* other = b->FindTensor(tensor.name);
    ASSERT_NE(other, nullptr);
    EXPECT_EQ(Dequantized(tensor), Dequantized(*other)) << tensor.name;  // -0 may become 0.
  }
}

/// GGUF files of each family, whose adapters add nothing yet, against the folder's own logits.
class ExportedFamily : public MergeForms, public testing::WithParamInterface<const char*> {
 protected:
  /// A copy of the model's folder. Gemma's scores are scaled as llama.cpp does it.
  fs::path Model() const {
    const fs::path folder = folder_.path() / "model";
    fs::copy(Golden("models") / (std::string(GetParam()) + "_tiny"), folder);
    Json config = ReadJson(folder / "config.json");
    if (config.contains("query_pre_attn_scalar")) {
      config["query_pre_attn_scalar"] = config["head_dim"];
    }
    std::ofstream(folder / "config.json") << config.dump();
    return folder;
  }
  std::vector<double> Logits(const fs::path& model, const fs::path& input) const {
    const fs::path file = folder_.path() / "logits.safetensors";
    EXPECT_EQ(RunTrainer({"logits", model, input, file}).code, 0);
    return Values(Open(file), "logits");
  }
};

TEST_P(ExportedFamily, ComputesTheSameAsAFileAndAsAFolderAgain) {
  const fs::path model = Model();
  const fs::path file = folder_.path() / "merged.gguf";
  const fs::path again = folder_.path() / "again";
  const std::string run = std::string(GetParam()) == "llama3" ? "_lora_lmhead" : "_lora_all";
  const fs::path adapter = Golden("runs") / (GetParam() + run) / "initial_adapter";
  const auto merge = [&](const fs::path& from, const fs::path& to, const char* format) {
    return RunTrainer({"merge", from, "--adapter", adapter, "--output", to, "--format", format,
                       "--precision", "fp32"})
        .code;
  };
  ASSERT_EQ(merge(model, file, "gguf"), 0);
  ASSERT_EQ(merge(file, again, "safetensors"), 0);
  const fs::path input = model / "logits.safetensors";
  const auto of_file = Logits(file, input);
  const auto of_folder = Logits(again, input);
  const auto want = Logits(model, input);
  const auto reference = Open(input);
  const auto mask = Values(reference, "attention_mask");
  ASSERT_EQ(of_file.size(), want.size());
  ASSERT_EQ(of_folder.size(), want.size());
  const std::size_t vocabulary = want.size() / mask.size();
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (mask[i / vocabulary] == 0) continue;
    ASSERT_NEAR(of_file[i], want[i], 1e-4);
    ASSERT_NEAR(of_folder[i], want[i], 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, ExportedFamily,
                         testing::Values("llama3", "qwen3", "gemma2", "gemma3", "phi3", "smollm3"),
                         [](const auto& instance) { return std::string(instance.param); });

/// Biases of q and k lie in the order of their rows.
TEST_F(MergeForms, AFileOfInterleavedRowsAndBiasesBecomesAFolder) {
  for (const char* model : {"llama_bias_tiny", "stretched_tiny"}) {
    const fs::path again = folder_.path() / model;
    const fs::path out = folder_.path() / "logits.safetensors";
    const fs::path reference = Golden("models") / model / "logits.safetensors";
    const fs::path file = Golden("gguf") / (std::string(model) + ".gguf");
    ASSERT_EQ(RunTrainer({"export", file, "--output", again, "--precision", "fp32"}).code, 0);
    ASSERT_EQ(RunTrainer({"logits", again, reference, out}).code, 0);
    const auto got = Values(Open(out), "logits");
    const auto want = Values(Open(reference), "logits");
    const auto mask = Values(Open(reference), "attention_mask");
    const std::size_t vocabulary = want.size() / mask.size();
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (mask[i / vocabulary] == 0) continue;
      ASSERT_NEAR(got[i], want[i], 1e-4) << model;
    }
  }
}

TEST_F(MergeForms, WhatLlamaCppWouldComputeOtherwiseIsNotExported) {
  const fs::path merged = folder_.path() / "merged.gguf";
  EXPECT_NE(Merge(Golden("models/gemma2_tiny"), Golden("runs/gemma2_lora_all/initial_adapter"),
                  merged, "gguf"),
            0)
      << "scores scaled in a way that it does not know";
  EXPECT_NE(Merge(Golden("models/mistral_tiny"), Golden("runs/mistral_lora_all/initial_adapter"),
                  merged, "gguf"),
            0)
      << "a sliding window";
  EXPECT_FALSE(fs::exists(merged));
}

TEST_F(MergeForms, WhatDoesNotFitIsRefusedAndLeavesNothing) {
  const fs::path merged = folder_.path() / "merged";
  EXPECT_NE(Merge(Golden("models/qwen2_tiny"), Golden("runs/llama3_lora_lmhead/initial_adapter"),
                  merged, "safetensors"),
            0);
  EXPECT_NE(Merge(llama_, Golden("models"), merged, "safetensors"), 0);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  fs::create_directory(merged);
  EXPECT_EQ(Merge(llama_, adapter_, merged, "safetensors"), 6) << "an output that exists";
  EXPECT_TRUE(fs::is_empty(merged));
}

}  // namespace
}  // namespace lathe::parity
