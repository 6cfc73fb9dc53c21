#include "worker/trainer/model/families.h"

#include <cmath>
#include <span>

#include "worker/trainer/model/rope_config.h"

namespace lathe::trainer::model {
namespace {

using Json = nlohmann::json;

double InverseRoot(double value) {
  return 1.0 / std::sqrt(value);
}

void OneRope(ConfigReader& config, ModelDescription& d, const RopeConventions& conventions) {
  d.ropes = {ReadRope(config, FindRopeParameters(config), d, conventions)};
}

void SetAttentionBias(ModelDescription& d, bool bias) {
  d.biases.qkv = bias;
  d.biases.output = bias;
}

/// Which layers have the sliding window: layer_types, or where that is missing what `otherwise`
/// says of a layer's index.
template <class Otherwise>
std::vector<bool> SlidingLayers(ConfigReader& config, const ModelDescription& d,
                                const Otherwise& otherwise) {
  std::vector<bool> sliding;
  const Json* types = config.Find("layer_types");
  if (types == nullptr) {
    for (std::int64_t i = 0; i < d.layers; ++i) sliding.push_back(otherwise(i));
    return sliding;
  }
  sliding.resize(d.layer.size());
  if (!types->is_array() || types->size() != sliding.size()) {
    config.Refuse("key \"layer_types\" does not list one type for each layer");
    return sliding;
  }
  for (std::size_t i = 0; i < sliding.size(); ++i) {
    const Json& type = (*types)[i];
    sliding[i] = type == "sliding_attention";
    if (!sliding[i] && type != "full_attention") {
      config.Refuse("layer_types has " + type.dump() +
                    ", which is not supported (full_attention, sliding_attention are)");
    }
  }
  return sliding;
}

void SetWindows(ConfigReader& config, ModelDescription& d, const std::vector<bool>& sliding,
                std::int64_t window) {
  for (std::size_t i = 0; i < sliding.size(); ++i) {
    if (!sliding[i]) continue;
    if (window < 1) config.Refuse("layer_types has sliding_attention, but sliding_window is off");
    d.layer[i].window = window;
  }
}

void WindowEverywhere(ModelDescription& d, std::int64_t window) {
  for (LayerDescription& layer : d.layer) layer.window = window;
}

void Llama(ConfigReader& config, ModelDescription& d) {
  SetAttentionBias(d, config.Flag("attention_bias", false));
  d.biases.mlp = config.Flag("mlp_bias", false);
  d.gguf_interleaves = true;
  OneRope(config, d, {});
}

void Mistral(ConfigReader& config, ModelDescription& d) {
  WindowEverywhere(d, config.IntegerOrNone("sliding_window", 4096));
  d.gguf_interleaves = true;
  OneRope(config, d, {});
}

/// Qwen's window is for the layers from max_window_layers on, and off unless it is asked for.
void QwenWindows(ConfigReader& config, ModelDescription& d) {
  const bool on = config.Flag("use_sliding_window", false);
  const std::int64_t window = on ? config.IntegerOrNone("sliding_window", 4096) : 0;
  const std::int64_t first = config.Integer("max_window_layers", 28);
  const auto otherwise = [&](std::int64_t i) { return window > 0 && i >= first; };
  SetWindows(config, d, SlidingLayers(config, d, otherwise), window);
}

void Qwen2(ConfigReader& config, ModelDescription& d) {
  d.biases.qkv = true;
  QwenWindows(config, d);
  OneRope(config, d, {});
}

void Qwen3(ConfigReader& config, ModelDescription& d) {
  SetAttentionBias(d, config.Flag("attention_bias", false));
  for (LayerDescription& layer : d.layer) layer.head_norms = true;
  QwenWindows(config, d);
  OneRope(config, d, {});
}

/// What Gemma 2 and 3 share; `period`: every period-th layer has no window.
void Gemma(ConfigReader& config, ModelDescription& d, std::int64_t period) {
  config.RefuseUnlessOff("use_bidirectional_attention");
  SetAttentionBias(d, config.Flag("attention_bias", false));
  d.norm_offset = 1;
  d.embedding_scale = std::sqrt(static_cast<double>(d.hidden));
  const double scale = InverseRoot(config.Number("query_pre_attn_scalar", 256));
  for (LayerDescription& layer : d.layer) {
    layer.score_scale = scale;
    layer.sandwich_norms = true;
  }
  const auto otherwise = [&](std::int64_t i) { return (i + 1) % period != 0; };
  SetWindows(config, d, SlidingLayers(config, d, otherwise),
             config.IntegerOrNone("sliding_window", 4096));
}

void Gemma2(ConfigReader& config, ModelDescription& d) {
  Gemma(config, d, 2);
  d.logit_cap = config.NumberOrNone("final_logit_softcapping", 30);
  const double cap = config.NumberOrNone("attn_logit_softcapping", 50);
  for (LayerDescription& layer : d.layer) layer.score_cap = cap;
  OneRope(config, d, {});
}

/// Layers with a window turn by one rope, the others by another one, which alone is scaled.
void Gemma3Ropes(ConfigReader& config, ModelDescription& d) {
  const RopeConventions global{.theta = 1e6};
  const Json* parameters = config.Find("rope_parameters");
  const bool nested = parameters != nullptr && parameters->is_object();
  const auto find = [&](const char* type) -> const Json* {
    return nested && parameters->contains(type) ? &(*parameters)[type] : nullptr;
  };
  const Json* full = find("full_attention");
  if (config.Find("rope_scaling") != nullptr) full = config.Find("rope_scaling");
  d.ropes = {ReadRope(config, full, d, global)};
  RopeDescription local;
  if (const Json* sliding = find("sliding_attention")) {
    local = ReadRope(config, sliding, d, {});
    if (!sliding->contains("rope_theta")) local.theta = 10000;
  } else {
    local.theta = config.Number("rope_local_base_freq", 10000);
    local.dimensions = d.head_dim;
  }
  d.ropes.push_back(local);
  for (LayerDescription& layer : d.layer) layer.rope = layer.window > 0 ? 1 : 0;
}

void Gemma3(ConfigReader& config, ModelDescription& d) {
  Gemma(config, d, std::max<std::int64_t>(1, config.Integer("sliding_window_pattern", 6)));
  // The reference does not cap the scores of this family, whatever the key says.
  config.RefuseUnlessOff("attn_logit_softcapping");
  d.logit_cap = config.NumberOrNone("final_logit_softcapping", 0);
  for (LayerDescription& layer : d.layer) layer.head_norms = true;
  Gemma3Ropes(config, d);
}

void Phi3(ConfigReader& config, ModelDescription& d) {
  config.RefuseUnlessOff("resid_pdrop");
  d.fused_names = true;
  WindowEverywhere(d, config.IntegerOrNone("sliding_window", 0));
  OneRope(config, d, {.partial = true, .long_aliases = true, .original_context = 4096});
}

/// 1 for each layer that turns positions, 0 for those that do not know them.
std::vector<bool> RotatedLayers(ConfigReader& config, const ModelDescription& d) {
  std::vector<bool> rotated;
  const Json* list = config.Find("no_rope_layers");
  const std::int64_t interval =
      std::max<std::int64_t>(1, config.Integer("no_rope_layer_interval", 4));
  for (std::int64_t i = 0; i < d.layers; ++i) {
    const auto index = static_cast<std::size_t>(i);
    if (list == nullptr) {
      rotated.push_back((i + 1) % interval != 0);
    } else if (list->is_array() && index < list->size() && (*list)[index].is_number_integer()) {
      rotated.push_back((*list)[index] != 0);
    } else {
      config.Refuse("key \"no_rope_layers\" does not list 0 or 1 for each layer");
      rotated.push_back(true);
    }
  }
  return rotated;
}

void SmolLm3(ConfigReader& config, ModelDescription& d) {
  SetAttentionBias(d, config.Flag("attention_bias", false));
  d.biases.mlp = config.Flag("mlp_bias", false);
  d.gguf_interleaves = true;
  const std::vector<bool> rotated = RotatedLayers(config, d);
  for (std::size_t i = 0; i < rotated.size(); ++i) {
    if (!rotated[i]) d.layer[i].rope.reset();
  }
  const bool on = config.Flag("use_sliding_window", false);
  const std::int64_t window = on ? config.IntegerOrNone("sliding_window", 0) : 0;
  const auto otherwise = [&](std::int64_t i) {
    return window > 0 && !rotated[static_cast<std::size_t>(i)];
  };
  SetWindows(config, d, SlidingLayers(config, d, otherwise), window);
  OneRope(config, d, {.theta = 2e6});
}

constexpr const char* kGelu = "gelu_pytorch_tanh";
constexpr Family kFamilies[] = {
    {.model_type = "llama", .describe = Llama},
    {.model_type = "mistral", .describe = Mistral},
    {.model_type = "qwen2", .describe = Qwen2},
    {.model_type = "qwen3", .head_dim = 128, .describe = Qwen3},
    {.model_type = "gemma2",
     .tied_embeddings = true,
     .head_dim = 256,
     .activation_key = "hidden_activation",
     .activation = kGelu,
     .describe = Gemma2},
    {.model_type = "gemma3_text",
     .tied_embeddings = true,
     .head_dim = 256,
     .activation_key = "hidden_activation",
     .activation = kGelu,
     .describe = Gemma3},
    {.model_type = "phi3", .describe = Phi3},
    {.model_type = "smollm3", .tied_embeddings = true, .describe = SmolLm3},
};

}  // namespace

const Family* FindFamily(const std::string& model_type) {
  for (const Family& family : kFamilies) {
    if (model_type == family.model_type) return &family;
  }
  return nullptr;
}

std::string FamilyNames() {
  std::string names;
  for (const Family& family : kFamilies) {
    names += (names.empty() ? "" : ", ") + std::string(family.model_type);
  }
  return names;
}

}  // namespace lathe::trainer::model
