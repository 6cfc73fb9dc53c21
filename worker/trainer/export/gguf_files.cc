#include "worker/trainer/export/gguf_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "worker/trainer/formats/gguf.h"
#include "worker/trainer/tokenizer/gguf_to_json.h"

namespace lathe::trainer::exporting {
namespace {

using formats::Gguf;
using Json = nlohmann::ordered_json;
using model::ModelDescription;

struct Names {
  const char* architecture;
  const char* model_class;
};
constexpr Names kNames[] = {
    {"llama", "LlamaForCausalLM"}, {"qwen2", "Qwen2ForCausalLM"}, {"qwen3", "Qwen3ForCausalLM"}};

Json IdOrNull(const Gguf& gguf, const char* key) {
  const auto* id = gguf.FindAs<std::int64_t>(key);
  return id == nullptr ? Json() : Json(*id);
}

Json EndTokens(const ModelDescription& d) {
  if (d.end_tokens.empty()) return {};
  return d.end_tokens.size() == 1 ? Json(d.end_tokens[0]) : Json(d.end_tokens);
}

/// How positions turn, where a few keys say it: plain or linearly stretched, the same everywhere.
struct PlainRope {
  double theta = 0;
  double factor = 1;
};
std::optional<PlainRope> PlainRopeOf(const ModelDescription& d) {
  const auto is_plain = [](const model::LayerDescription& layer) {
    return layer.rope.has_value() && layer.window == 0;
  };
  if (d.ropes.size() != 1 || d.ropes[0].dimensions != d.head_dim ||
      d.ropes[0].attention_factor != 1 || !std::all_of(d.layer.begin(), d.layer.end(), is_plain)) {
    return std::nullopt;
  }
  const model::RopeScaling& scaling = d.ropes[0].scaling;
  if (std::holds_alternative<std::monostate>(scaling)) return PlainRope{d.ropes[0].theta, 1};
  const auto* linear = std::get_if<model::LinearRopeScaling>(&scaling);
  if (linear == nullptr) return std::nullopt;
  return PlainRope{d.ropes[0].theta, linear->factor};
}

Json ConfigOf(const ModelDescription& d, const Names& names, const PlainRope& rope,
              c10::ScalarType type) {
  Json config = {{"architectures", {names.model_class}},
                 {"model_type", names.architecture},
                 {"torch_dtype", TypeName(type)},
                 {"vocab_size", d.vocabulary},
                 {"hidden_size", d.hidden},
                 {"intermediate_size", d.intermediate},
                 {"num_hidden_layers", d.layers},
                 {"num_attention_heads", d.heads},
                 {"num_key_value_heads", d.kv_heads},
                 {"head_dim", d.head_dim},
                 {"hidden_act", "silu"},
                 {"max_position_embeddings", d.context},
                 {"rms_norm_eps", d.norm_epsilon},
                 {"rope_theta", rope.theta},
                 {"tie_word_embeddings", d.tied_embeddings}};
  if (d.architecture != "qwen2") config["attention_bias"] = d.biases.qkv;
  if (rope.factor != 1) {
    config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", rope.factor}};
  }
  return config;
}

}  // namespace

const char* TypeName(c10::ScalarType type) {
  if (type == c10::kFloat) return "float32";
  return type == c10::kHalf ? "float16" : "bfloat16";
}

namespace {

Result<std::string> ConfigText(const Gguf& gguf, const ModelDescription& d, c10::ScalarType type,
                               const Json& generation) {
  const auto* names = std::find_if(std::begin(kNames), std::end(kNames), [&](const Names& entry) {
    return d.architecture == entry.architecture;
  });
  const std::optional<PlainRope> rope = PlainRopeOf(d);
  if (names == std::end(kNames) || !rope) {
    return Failure(ErrorCode::kInvalidArgument,
                   gguf.path().string() +
                       ": no config.json can be made from this file; use the "
                       "model's Hugging Face folder instead");
  }
  Json config = ConfigOf(d, *names, *rope, type);
  config.update(generation);
  return config.dump(2) + "\n";
}

}  // namespace

Result<FilesOfGguf> MakeFilesOfGguf(const std::filesystem::path& path, const ModelDescription& d,
                                    c10::ScalarType type) {
  LATHE_ASSIGN_OR_RETURN(const Gguf gguf, Gguf::Open(path));
  const Json generation = {{"bos_token_id", IdOrNull(gguf, "tokenizer.ggml.bos_token_id")},
                           {"eos_token_id", EndTokens(d)},
                           {"pad_token_id", IdOrNull(gguf, "tokenizer.ggml.padding_token_id")}};
  LATHE_ASSIGN_OR_RETURN(const std::string config, ConfigText(gguf, d, type, generation));
  LATHE_ASSIGN_OR_RETURN(const auto tokenizer, tokenizer::TokenizerFilesOf(gguf));
  return FilesOfGguf{{"config.json", config},
                     {"generation_config.json", generation.dump(2) + "\n"},
                     {"tokenizer.json", tokenizer.tokenizer},
                     {"tokenizer_config.json", tokenizer.config}};
}

}  // namespace lathe::trainer::exporting
