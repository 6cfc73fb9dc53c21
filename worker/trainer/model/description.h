#pragma once
// What a Llama-family decoder looks like: sizes and switches, read from a Hugging Face config.json
// or from a GGUF file's metadata. A plain value; both readers refuse what the decoder cannot
// compute exactly, naming the key.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/gguf.h"

namespace lathe::trainer::model {

/// Llama 3's stretching of low rotary frequencies (https://arxiv.org/abs/2407.21783, section 3.2).
struct Llama3RopeScaling {
  double factor = 8;
  double low_frequency_factor = 1;
  double high_frequency_factor = 4;
  double original_context = 8192;
};

struct RopeDescription {
  double theta = 10000;
  double linear_factor = 1;  ///< positions are divided by it
  std::optional<Llama3RopeScaling> llama3;
  std::vector<float> frequency_divisors;  ///< [head_dim / 2] from a GGUF's rope_freqs, or empty
};

struct ModelDescription {
  std::string architecture;  ///< "llama", "mistral", "qwen2"
  std::int64_t vocabulary = 0;
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t intermediate = 0;
  std::int64_t context = 0;  ///< the longest sequence that it was trained for
  double rms_epsilon = 1e-5;
  RopeDescription rope;
  bool tied_embeddings = false;
  bool qkv_bias = false;
  std::vector<std::int64_t> end_tokens;  ///< generation stops at any of them

  std::int64_t QkvWidth() const { return (heads + 2 * kv_heads) * head_dim; }
};

/// From FOLDER/config.json (both spellings in use: rope_theta/torch_dtype and
/// rope_parameters/dtype) and, for end tokens, generation_config.json.
Result<ModelDescription> DescribeFolder(const std::filesystem::path& folder);
Result<ModelDescription> DescribeGguf(const formats::Gguf& gguf);

}  // namespace lathe::trainer::model
