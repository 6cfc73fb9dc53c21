#include "worker/trainer/export/config_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "worker/trainer/export/fixed_rope.h"

namespace lathe::trainer::exporting {
namespace {

using Json = nlohmann::ordered_json;
using model::LayerDescription;
using model::ModelDescription;

tl::unexpected<Error> CannotSay(const std::string& what) {
  return Failure(ErrorCode::kInvalidArgument, "no config.json can say " + what);
}

/// Whether all layers are alike in what a family has one key for.
template <class Member>
bool AllLayers(const ModelDescription& d, const Member& member) {
  return std::all_of(d.layer.begin(), d.layer.end(), [&](const LayerDescription& layer) {
    return member(layer) == member(d.layer.front());
  });
}
bool OneWindow(const ModelDescription& d) {
  return AllLayers(d, [](const LayerDescription& layer) { return layer.window; });
}
bool PositionsEverywhere(const ModelDescription& d) {
  return AllLayers(d, [](const LayerDescription& layer) { return layer.rope.has_value(); });
}

Json WindowOf(const ModelDescription& d) {
  const std::int64_t window = d.layer.front().window;
  return window > 0 ? Json(window) : Json();
}

/// The stretching of the first rope; null: none.
Result<Json> ScalingJson(const ModelDescription& d) {
  const model::RopeDescription& rope = d.ropes.front();
  if (std::holds_alternative<std::monostate>(rope.scaling)) return Json();
  if (const auto* linear = std::get_if<model::LinearRopeScaling>(&rope.scaling)) {
    return Json{{"rope_type", "linear"}, {"factor", linear->factor}};
  }
  if (const auto* yarn = std::get_if<model::YarnRopeScaling>(&rope.scaling)) {
    return Json{{"rope_type", "yarn"},
                {"factor", yarn->factor},
                {"original_max_position_embeddings", yarn->original_context},
                {"attention_factor", rope.attention_factor},
                {"beta_fast", yarn->beta_fast},
                {"beta_slow", yarn->beta_slow}};
  }
  if (const auto* scaling = std::get_if<model::LongRopeScaling>(&rope.scaling)) {
    return Json{{"rope_type", "longrope"},
                {"short_factor", scaling->short_divisors},
                {"long_factor", scaling->long_divisors},
                {"attention_factor", rope.attention_factor}};
  }
  if (std::holds_alternative<model::FixedRopeScaling>(rope.scaling)) {
    return FixedScalingJson(rope, d.context);
  }
  return CannotSay("how its positions are stretched");
}

Status Llama(const ModelDescription& d, Json& config) {
  if (!OneWindow(d) || !PositionsEverywhere(d)) return CannotSay("which layers have a window");
  if (d.layer.front().window > 0) {  // GGUF has one name for both.
    if (d.biases.qkv || d.biases.mlp) return CannotSay("both a window and biases");
    config["architectures"] = {"MistralForCausalLM"};
    config["model_type"] = "mistral";
    config["sliding_window"] = WindowOf(d);
    return {};
  }
  config["attention_bias"] = d.biases.qkv;
  config["mlp_bias"] = d.biases.mlp;
  return {};
}

Status Qwen(const ModelDescription& d, Json& config) {
  if (!OneWindow(d) || !PositionsEverywhere(d) || d.layer.front().window > 0) {
    return CannotSay("which layers have a window");
  }
  if (d.architecture == "qwen3") config["attention_bias"] = d.biases.qkv;
  return {};
}

Status Phi3(const ModelDescription& d, Json& config) {
  if (!OneWindow(d)) return CannotSay("which layers have a window");
  const model::RopeDescription& rope = d.ropes.front();
  config["sliding_window"] = WindowOf(d);
  config["partial_rotary_factor"] =
      static_cast<double>(rope.dimensions) / static_cast<double>(d.head_dim);
  if (const auto* scaling = std::get_if<model::LongRopeScaling>(&rope.scaling)) {
    config["original_max_position_embeddings"] = scaling->original_context;
  }
  return {};
}

Status SmolLm3(const ModelDescription& d, Json& config) {
  if (!OneWindow(d) || d.layer.front().window > 0) return CannotSay("which layers have a window");
  config["no_rope_layers"] = Json::array();
  for (const LayerDescription& layer : d.layer) {
    config["no_rope_layers"].push_back(layer.rope ? 1 : 0);
  }
  config["attention_bias"] = d.biases.qkv;
  config["mlp_bias"] = d.biases.mlp;
  config["use_sliding_window"] = false;
  return {};
}

Status Gemma(const ModelDescription& d, Json& config) {
  const double scale = d.layer.front().score_scale;
  config.erase("hidden_act");
  config["hidden_activation"] = "gelu_pytorch_tanh";
  config["query_pre_attn_scalar"] = std::round(1 / (scale * scale) * 1e4) / 1e4;
  config["final_logit_softcapping"] = d.logit_cap > 0 ? Json(d.logit_cap) : Json();
  config["attention_bias"] = d.biases.qkv;
  config["layer_types"] = Json::array();
  std::int64_t window = 0;
  for (const LayerDescription& layer : d.layer) {
    if (layer.window > 0 && window > 0 && layer.window != window) {
      return CannotSay("that windows differ");
    }
    window = std::max(window, layer.window);
    config["layer_types"].push_back(layer.window > 0 ? "sliding_attention" : "full_attention");
  }
  config["sliding_window"] = window > 0 ? Json(window) : Json();
  if (d.architecture == "gemma2") {
    const double cap = d.layer.front().score_cap;
    config["attn_logit_softcapping"] = cap > 0 ? Json(cap) : Json();
  } else {
    config["model_type"] = "gemma3_text";
    config["rope_local_base_freq"] = d.ropes.back().theta;
  }
  return {};
}

struct Names {
  const char* architecture;  ///< as GGUF has it
  const char* model_class;
  Status (*add)(const ModelDescription& d, Json& config);
};
constexpr Names kNames[] = {
    {"llama", "LlamaForCausalLM", Llama},       {"qwen2", "Qwen2ForCausalLM", Qwen},
    {"qwen3", "Qwen3ForCausalLM", Qwen},        {"gemma2", "Gemma2ForCausalLM", Gemma},
    {"gemma3", "Gemma3ForCausalLM", Gemma},     {"phi3", "Phi3ForCausalLM", Phi3},
    {"smollm3", "SmolLM3ForCausalLM", SmolLm3},
};

Json Sizes(const ModelDescription& d, const Names& names, c10::ScalarType type) {
  return {{"architectures", {names.model_class}},
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
          {"rope_theta", d.ropes.front().theta},
          {"tie_word_embeddings", d.tied_embeddings}};
}

}  // namespace

const char* TypeName(c10::ScalarType type) {
  if (type == c10::kFloat) return "float32";
  return type == c10::kHalf ? "float16" : "bfloat16";
}

Result<Json> ConfigJson(const ModelDescription& d, c10::ScalarType type) {
  const auto* names = std::find_if(std::begin(kNames), std::end(kNames), [&](const Names& entry) {
    return d.architecture == entry.architecture;
  });
  if (names == std::end(kNames)) return CannotSay("what architecture " + d.architecture + " is");
  if (d.architecture != "qwen2" && d.biases.qkv != d.biases.output) {
    return CannotSay("that only some attention layers have biases");
  }
  Json config = Sizes(d, *names, type);
  LATHE_RETURN_IF_ERROR(names->add(d, config));
  LATHE_ASSIGN_OR_RETURN(const Json scaling, ScalingJson(d));
  if (!scaling.is_null()) config["rope_scaling"] = scaling;
  return config;
}

}  // namespace lathe::trainer::exporting
