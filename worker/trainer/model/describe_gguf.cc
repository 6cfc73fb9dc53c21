#include <cmath>

#include "worker/trainer/model/description.h"
#include "worker/trainer/model/description_check.h"
#include "worker/trainer/model/rope_gguf.h"

namespace lathe::trainer::model {
namespace {

using formats::Gguf;

/// One file's metadata of one architecture.
struct Metadata {
  const Gguf& gguf;
  std::string arch;

  bool Has(const std::string& key) const { return gguf.Find(arch + "." + key) != nullptr; }
  Result<std::int64_t> Integer(const std::string& key) const {
    return gguf.Integer(arch + "." + key);
  }
  Result<double> Number(const std::string& key) const { return gguf.Number(arch + "." + key); }
  Result<std::int64_t> IntegerOr(const std::string& key, std::int64_t fallback) const {
    return Has(key) ? Integer(key) : fallback;
  }
  Result<double> NumberOr(const std::string& key, double fallback) const {
    return Has(key) ? Number(key) : fallback;
  }
  bool HasTensor(const std::string& name) const { return gguf.FindTensor(name) != nullptr; }
};

void WindowEverywhere(ModelDescription& d, std::int64_t window) {
  for (LayerDescription& layer : d.layer) layer.window = window;
}

Status Plain(const Metadata&, ModelDescription&) {
  return {};
}

/// Mistral is called llama there.
Status Llama(const Metadata& metadata, ModelDescription& d) {
  d.gguf_interleaves = true;
  LATHE_ASSIGN_OR_RETURN(const std::int64_t window,
                         metadata.IntegerOr("attention.sliding_window", 0));
  WindowEverywhere(d, window);
  return {};
}

Status Qwen3(const Metadata&, ModelDescription& d) {
  for (LayerDescription& layer : d.layer) layer.head_norms = true;
  return {};
}

Status Phi3(const Metadata& metadata, ModelDescription& d) {
  d.fused_names = true;
  LATHE_ASSIGN_OR_RETURN(const std::int64_t window,
                         metadata.IntegerOr("attention.sliding_window", 0));
  WindowEverywhere(d, window);
  return {};
}

/// The metadata do not say which layers know no positions; it is every fourth in all such models.
Status SmolLm3(const Metadata&, ModelDescription& d) {
  d.gguf_interleaves = true;
  for (std::size_t i = 3; i < d.layer.size(); i += 4) d.layer[i].rope.reset();
  return {};
}

/// Which layers have the window: a list of flags, or a period whose last layer has none.
Status GemmaWindows(const Metadata& metadata, ModelDescription& d, std::int64_t period) {
  LATHE_ASSIGN_OR_RETURN(const std::int64_t window,
                         metadata.IntegerOr("attention.sliding_window", 4096));
  const std::string key = metadata.arch + ".attention.sliding_window_pattern";
  const auto* flags = metadata.gguf.FindAs<std::vector<std::int64_t>>(key);
  if (flags != nullptr && flags->size() != d.layer.size()) {
    return Failure(ErrorCode::kInvalidArgument, metadata.gguf.path().string() + ": " + key +
                                                    " does not list one flag for each layer");
  }
  if (flags == nullptr) {
    LATHE_ASSIGN_OR_RETURN(period, metadata.IntegerOr("attention.sliding_window_pattern", period));
    period = std::max<std::int64_t>(1, period);
  }
  for (std::size_t i = 0; i < d.layer.size(); ++i) {
    const bool sliding =
        flags != nullptr ? (*flags)[i] != 0 : (static_cast<std::int64_t>(i) + 1) % period != 0;
    if (sliding) d.layer[i].window = window;
  }
  return {};
}

/// `large`: how many layers the one model has whose scores are scaled by the hidden size a head;
/// the metadata do not say it.
Status Gemma(const Metadata& metadata, ModelDescription& d, std::int64_t large) {
  d.norm_offset = 1;
  d.embedding_scale = std::sqrt(static_cast<double>(d.hidden));
  const double share = static_cast<double>(d.hidden) / static_cast<double>(d.heads);
  const double scalar = d.layers == large ? share : static_cast<double>(d.head_dim);
  LATHE_ASSIGN_OR_RETURN(const double scale,
                         metadata.NumberOr("attention.scale", 1 / std::sqrt(scalar)));
  for (LayerDescription& layer : d.layer) {
    layer.score_scale = scale;
    layer.activation = kernels::Activation::kGeluTanh;
    layer.sandwich_norms = true;
  }
  return {};
}

Status Gemma2(const Metadata& metadata, ModelDescription& d) {
  LATHE_RETURN_IF_ERROR(Gemma(metadata, d, 46));
  LATHE_RETURN_IF_ERROR(GemmaWindows(metadata, d, 2));
  LATHE_ASSIGN_OR_RETURN(d.logit_cap, metadata.NumberOr("final_logit_softcapping", 30));
  LATHE_ASSIGN_OR_RETURN(const double cap, metadata.NumberOr("attn_logit_softcapping", 50));
  for (LayerDescription& layer : d.layer) layer.score_cap = cap;
  return {};
}

Status Gemma3(const Metadata& metadata, ModelDescription& d) {
  LATHE_RETURN_IF_ERROR(Gemma(metadata, d, 62));
  LATHE_RETURN_IF_ERROR(GemmaWindows(metadata, d, 6));
  LATHE_ASSIGN_OR_RETURN(d.logit_cap, metadata.NumberOr("final_logit_softcapping", 0));
  RopeDescription local;
  local.dimensions = d.head_dim;
  LATHE_ASSIGN_OR_RETURN(local.theta, metadata.NumberOr("rope.freq_base_swa", 10000));
  d.ropes.push_back(local);
  for (LayerDescription& layer : d.layer) {
    layer.head_norms = true;
    if (layer.window > 0) layer.rope = 1;
  }
  return {};
}

struct Architecture {
  const char* name;
  /// Fills in what is its own; sizes, the first rope and plain layers are there.
  Status (*describe)(const Metadata& metadata, ModelDescription& d);
};

constexpr Architecture kArchitectures[] = {
    {"llama", Llama},   {"qwen2", Plain},     {"qwen3", Qwen3}, {"gemma2", Gemma2},
    {"gemma3", Gemma3}, {"smollm3", SmolLm3}, {"phi3", Phi3},
};

Result<const Architecture*> FindArchitecture(const Metadata& metadata) {
  std::string names;
  for (const Architecture& architecture : kArchitectures) {
    if (metadata.arch == architecture.name) return &architecture;
    names += (names.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return Failure(ErrorCode::kInvalidArgument, metadata.gguf.path().string() +
                                                  ": general.architecture \"" + metadata.arch +
                                                  "\" is not supported (" + names + " are)");
}

Status ReadSizes(const Metadata& metadata, ModelDescription& d) {
  const Gguf& gguf = metadata.gguf;
  LATHE_ASSIGN_OR_RETURN(d.hidden, metadata.Integer("embedding_length"));
  LATHE_ASSIGN_OR_RETURN(d.layers, metadata.Integer("block_count"));
  LATHE_ASSIGN_OR_RETURN(d.heads, metadata.Integer("attention.head_count"));
  LATHE_ASSIGN_OR_RETURN(d.intermediate, metadata.Integer("feed_forward_length"));
  LATHE_ASSIGN_OR_RETURN(d.norm_epsilon, metadata.Number("attention.layer_norm_rms_epsilon"));
  LATHE_ASSIGN_OR_RETURN(d.kv_heads, metadata.IntegerOr("attention.head_count_kv", d.heads));
  LATHE_ASSIGN_OR_RETURN(
      d.head_dim, metadata.IntegerOr("attention.key_length", d.heads > 0 ? d.hidden / d.heads : 0));
  LATHE_ASSIGN_OR_RETURN(d.context, metadata.IntegerOr("context_length", 2048));
  const formats::TensorInfo* embedding = gguf.FindTensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    return Failure(ErrorCode::kInvalidArgument,
                   gguf.path().string() + ": tensor token_embd.weight is missing");
  }
  d.vocabulary = embedding->shape[0];
  d.tied_embeddings = !metadata.HasTensor("output.weight");
  d.biases = {.qkv = metadata.HasTensor("blk.0.attn_q.bias"),
              .output = metadata.HasTensor("blk.0.attn_output.bias"),
              .mlp = metadata.HasTensor("blk.0.ffn_down.bias")};
  return CheckSizes(d, gguf.path().string());
}

}  // namespace

Result<ModelDescription> DescribeGguf(const Gguf& gguf) {
  LATHE_ASSIGN_OR_RETURN(const std::string_view arch, gguf.String("general.architecture"));
  const Metadata metadata{gguf, std::string(arch)};
  LATHE_ASSIGN_OR_RETURN(const Architecture* architecture, FindArchitecture(metadata));
  ModelDescription d;
  d.architecture = metadata.arch;
  LATHE_RETURN_IF_ERROR(ReadSizes(metadata, d));
  LATHE_ASSIGN_OR_RETURN(const RopeDescription rope, ReadGgufRope(gguf, d));
  d.ropes = {rope};
  LayerDescription layer;
  layer.score_scale = 1.0 / std::sqrt(static_cast<double>(d.head_dim));
  d.layer.assign(static_cast<std::size_t>(d.layers), layer);
  LATHE_RETURN_IF_ERROR(architecture->describe(metadata, d));
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    if (const auto* id = gguf.FindAs<std::int64_t>(key)) d.end_tokens.push_back(*id);
  }
  LATHE_RETURN_IF_ERROR(CheckDescription(d, gguf.path().string()));
  return d;
}

}  // namespace lathe::trainer::model
