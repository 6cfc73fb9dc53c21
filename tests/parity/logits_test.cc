// Logits of the tiny reference models through the real program, and of the demo model.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/topk.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/base/temp_dir.h"
#include "tests/parity/support.h"
#include "worker/trainer/model/loader.h"

namespace lathe::parity {
namespace {

namespace fs = std::filesystem;
namespace model = trainer::model;

struct Case {
  const char* name;  ///< of the test
  const char* model;
  const char* reference;
};

class LogitsParity : public ::testing::TestWithParam<Case> {};

TEST_P(LogitsParity, AgreesWithTheReference) {
  const fs::path reference_file = Golden(GetParam().reference);
  auto out = TempDir::Create();
  ASSERT_TRUE(out.has_value());
  const fs::path file = out->path() / "logits.safetensors";
  ASSERT_EQ(RunTrainer({"logits", Golden(GetParam().model), reference_file, file}).code, 0);
  const auto reference = Open(reference_file);
  const auto want = Values(reference, "logits");
  const auto mask = Values(reference, "attention_mask");
  const auto got = Values(Open(file), "logits");
  ASSERT_EQ(got.size(), want.size());
  const std::size_t vocabulary = want.size() / mask.size();
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (mask[i / vocabulary] == 0) continue;
    ASSERT_NEAR(got[i], want[i], 1e-4) << "position " << i / vocabulary;
  }
}

#define LATHE_FOLDER(name) \
  { #name, "models/" #name, "models/" #name "/logits.safetensors" }
#define LATHE_GGUF(name) \
  { #name "_gguf", "gguf/" #name ".gguf", "models/" #name "/logits.safetensors" }

constexpr Case kCases[] = {
    LATHE_FOLDER(llama_tiny),
    LATHE_FOLDER(llama3_tiny),
    LATHE_FOLDER(qwen2_tiny),
    LATHE_FOLDER(llama_bias_tiny),
    LATHE_GGUF(llama_bias_tiny),
    LATHE_FOLDER(llama_dynamic_tiny),
    LATHE_FOLDER(qwen2_window_tiny),
    LATHE_FOLDER(mistral_tiny),
    LATHE_GGUF(mistral_tiny),
    LATHE_FOLDER(qwen3_tiny),
    LATHE_GGUF(qwen3_tiny),
    LATHE_FOLDER(gemma2_tiny),
    LATHE_GGUF(gemma2_tiny),
    LATHE_FOLDER(gemma3_tiny),
    LATHE_GGUF(gemma3_tiny),
    LATHE_FOLDER(phi3_tiny),
    LATHE_GGUF(phi3_tiny),
    {"phi3_tiny_short", "models/phi3_tiny", "models/phi3_tiny/short.safetensors"},
    LATHE_FOLDER(smollm3_tiny),
    LATHE_GGUF(smollm3_tiny),
    LATHE_FOLDER(stretched_tiny),
    LATHE_GGUF(stretched_tiny),
};

#undef LATHE_FOLDER
#undef LATHE_GGUF

INSTANTIATE_TEST_SUITE_P(Models, LogitsParity, ::testing::ValuesIn(kCases),
                         [](const auto& instance) { return std::string(instance.param.name); });

at::Tensor WidenedLinear(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kFloat) : tensor;
}

/// The reference computes in fp32 with weights rounded to bf16.
void Widen(model::Decoder& decoder) {
  for (at::Tensor* tensor : {&decoder.embedding, &decoder.final_norm, &decoder.head.weight}) {
    *tensor = tensor->to(at::kFloat);
  }
  for (model::LayerWeights& layer : decoder.layers) {
    for (at::Tensor* tensor : {&layer.attention_norm, &layer.mlp_norm, &layer.qkv.weight,
                               &layer.output.weight, &layer.gate_up.weight, &layer.down.weight}) {
      *tensor = WidenedLinear(*tensor);
    }
  }
}

TEST(DemoModelParity, LogitsOfAChatAgree) {
  const fs::path path = DemoModel();
  const auto reference = Open(Golden("gguf") / "smollm2_bf16weights_fp32compute_check.safetensors");
  const auto ids = Values(reference, "input_ids");
  const auto length = static_cast<std::int64_t>(ids.size());
  auto decoder = model::LoadDecoder(path, {.dtype = at::kBFloat16, .max_positions = length});
  ASSERT_TRUE(decoder.has_value()) << decoder.error().message;
  Widen(*decoder);
  at::Tensor tokens = at::arange(length, at::kLong);
  for (std::int64_t i = 0; i < length; ++i) {
    tokens.data_ptr<std::int64_t>()[i] =
        static_cast<std::int64_t>(ids[static_cast<std::size_t>(i)]);
  }
  const model::MicroBatch batch{
      .tokens = tokens, .positions = at::arange(length, at::kLong), .lengths = {length}};
  const model::PassOptions options;
  const model::Additions none;
  const at::Tensor hidden = model::ForwardLayers({*decoder, none, batch, options}, nullptr);
  const auto [top, indices] = at::topk(model::Logits(*decoder, none, hidden), 8);
  const auto want = Values(reference, "top8_logits");
  ASSERT_EQ(want.size(), static_cast<std::size_t>(top.numel()));
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(top.contiguous().data_ptr<float>()[i]), want[i], 1e-3);
  }
}

}  // namespace
}  // namespace lathe::parity
