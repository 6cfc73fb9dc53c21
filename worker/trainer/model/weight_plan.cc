#include "worker/trainer/model/weight_plan.h"

#include <ATen/ops/empty.h>

namespace lathe::trainer::model {
namespace {

/// Makes the linear layers of one decoder.
struct LinearMaker {
  at::TensorOptions options;
  std::shared_ptr<quantization::Scratch> scratch;  ///< of quantised layers, else nullptr

  using Parts = std::vector<std::pair<std::string, std::int64_t>>;  ///< names and rows

  FusedLinear Make(const std::string& prefix, std::int64_t in, const Parts& parts) const {
    FusedLinear linear;
    std::int64_t rows = 0;
    for (const auto& [name, size] : parts) {
      linear.parts.push_back({prefix + name, rows, size});
      rows += size;
    }
    linear.weight = at::empty({rows, in}, scratch ? options.device(at::kMeta) : options);
    if (scratch) linear.quantized.resize(parts.size());
    linear.scratch = scratch;
    return linear;
  }
};

std::string LayerPrefix(std::size_t index) {
  return "model.layers." + std::to_string(index) + ".";
}

class Planner {
 public:
  explicit Planner(double norm_offset) : norm_offset_(norm_offset) {}

  void Add(const std::string& name, const std::string& gguf_name, const at::Tensor& destination,
           std::int64_t interleaved_head_dim = 0) {
    plan_.push_back({name + ".weight", gguf_name + ".weight", destination, interleaved_head_dim});
  }
  void AddNorm(const std::string& name, const std::string& gguf_name,
               const at::Tensor& destination) {
    Add(name, gguf_name, destination);
    plan_.back().gguf_offset = norm_offset_;
  }
  void AddLinear(FusedLinear& linear, const std::vector<std::string>& gguf_names,
                 const std::vector<std::int64_t>& interleaved) {
    for (std::size_t i = 0; i < linear.parts.size(); ++i) {
      const LinearPart& part = linear.parts[i];
      Add(part.name, gguf_names[i], linear.weight.narrow(0, part.begin, part.size), interleaved[i]);
      if (!linear.quantized.empty()) plan_.back().quantized = &linear.quantized[i];
      if (!linear.bias.defined()) continue;
      plan_.push_back({part.name + ".bias", gguf_names[i] + ".bias",
                       linear.bias.narrow(0, part.begin, part.size), interleaved[i]});
    }
  }
  /// What follows belongs to that layer.
  void EnterLayer(std::size_t layer) {
    layer_ = layer;
    layer_begin_ = plan_.size();
  }
  void LeaveLayer() {
    for (std::size_t i = layer_begin_; i < plan_.size(); ++i) plan_[i].layer = layer_;
  }
  std::vector<Placement> Take() { return std::move(plan_); }

 private:
  double norm_offset_;
  std::vector<Placement> plan_;
  std::size_t layer_ = 0;
  std::size_t layer_begin_ = 0;
};

LayerWeights AllocateLayer(const ModelDescription& d, std::size_t index, const LinearMaker& maker) {
  const LayerDescription& l = d.layer[index];
  const std::string attention = LayerPrefix(index) + "self_attn.";
  const std::string mlp = LayerPrefix(index) + "mlp.";
  const auto norm = [&](std::int64_t size) { return at::empty({size}, maker.options); };
  LayerWeights layer;
  layer.attention_norm = norm(d.hidden);
  layer.mlp_norm = norm(d.hidden);
  if (l.head_norms) {
    layer.query_norm = norm(d.head_dim);
    layer.key_norm = norm(d.head_dim);
  }
  if (l.sandwich_norms) {
    layer.attention_out_norm = norm(d.hidden);
    layer.mlp_out_norm = norm(d.hidden);
  }
  using Parts = LinearMaker::Parts;
  const Parts qkv = {
      {"q_proj", d.QueryWidth()}, {"k_proj", d.KeyWidth()}, {"v_proj", d.KeyWidth()}};
  const Parts gate_up = {{"gate_proj", d.intermediate}, {"up_proj", d.intermediate}};
  const bool fused = d.fused_names;
  layer.qkv = maker.Make(attention, d.hidden, fused ? Parts{{"qkv_proj", d.QkvWidth()}} : qkv);
  layer.output = maker.Make(attention, d.QueryWidth(), {{"o_proj", d.hidden}});
  layer.gate_up =
      maker.Make(mlp, d.hidden, fused ? Parts{{"gate_up_proj", 2 * d.intermediate}} : gate_up);
  layer.down = maker.Make(mlp, d.intermediate, {{"down_proj", d.hidden}});
  const auto add_bias = [&](FusedLinear& linear) {
    linear.bias = at::empty({linear.weight.size(0)}, maker.options);
  };
  if (d.biases.qkv) add_bias(layer.qkv);
  if (d.biases.output) add_bias(layer.output);
  if (d.biases.mlp) {
    add_bias(layer.gate_up);
    add_bias(layer.down);
  }
  return layer;
}

void PlanLayer(Decoder& decoder, std::size_t index, Planner& planner) {
  const ModelDescription& d = decoder.description;
  const LayerDescription& l = d.layer[index];
  LayerWeights& layer = decoder.layers[index];
  const std::string hf = LayerPrefix(index);
  const std::string gguf = "blk." + std::to_string(index) + ".";
  const std::int64_t interleaved = d.gguf_interleaves ? d.head_dim : 0;
  planner.AddNorm(hf + "input_layernorm", gguf + "attn_norm", layer.attention_norm);
  if (l.sandwich_norms) {
    planner.AddNorm(hf + "post_attention_layernorm", gguf + "post_attention_norm",
                    layer.attention_out_norm);
    planner.AddNorm(hf + "pre_feedforward_layernorm", gguf + "ffn_norm", layer.mlp_norm);
    planner.AddNorm(hf + "post_feedforward_layernorm", gguf + "post_ffw_norm", layer.mlp_out_norm);
  } else {
    planner.AddNorm(hf + "post_attention_layernorm", gguf + "ffn_norm", layer.mlp_norm);
  }
  if (l.head_norms) {
    planner.AddNorm(hf + "self_attn.q_norm", gguf + "attn_q_norm", layer.query_norm);
    planner.AddNorm(hf + "self_attn.k_norm", gguf + "attn_k_norm", layer.key_norm);
  }
  if (d.fused_names) {
    planner.AddLinear(layer.qkv, {gguf + "attn_qkv"}, {0});
    planner.AddLinear(layer.gate_up, {gguf + "ffn_up"}, {0});
  } else {
    planner.AddLinear(layer.qkv, {gguf + "attn_q", gguf + "attn_k", gguf + "attn_v"},
                      {interleaved, interleaved, 0});
    planner.AddLinear(layer.gate_up, {gguf + "ffn_gate", gguf + "ffn_up"}, {0, 0});
  }
  planner.AddLinear(layer.output, {gguf + "attn_output"}, {0});
  planner.AddLinear(layer.down, {gguf + "ffn_down"}, {0});
}

}  // namespace

Decoder AllocateDecoder(const ModelDescription& d, at::ScalarType dtype, WeightStorage storage,
                        const at::Device& device) {
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  const LinearMaker maker{options, storage == WeightStorage::kQuantized
                                       ? std::make_shared<quantization::Scratch>()
                                       : nullptr};
  Decoder decoder;
  decoder.description = d;
  decoder.embedding = at::empty({d.vocabulary, d.hidden}, options);
  decoder.final_norm = at::empty({d.hidden}, options);
  for (std::size_t i = 0; i < d.layer.size(); ++i) {
    decoder.layers.push_back(AllocateLayer(d, i, maker));
  }
  decoder.head.parts = {{"lm_head", 0, d.vocabulary}};
  decoder.head.weight =
      d.tied_embeddings ? decoder.embedding : at::empty({d.vocabulary, d.hidden}, options);
  return decoder;
}

std::vector<Placement> PlanWeights(Decoder& decoder) {
  Planner planner(decoder.description.norm_offset);
  planner.Add("model.embed_tokens", "token_embd", decoder.embedding);
  planner.AddNorm("model.norm", "output_norm", decoder.final_norm);
  if (!decoder.description.tied_embeddings) planner.Add("lm_head", "output", decoder.head.weight);
  for (std::size_t i = 0; i < decoder.layers.size(); ++i) {
    planner.EnterLayer(i);
    PlanLayer(decoder, i, planner);
    planner.LeaveLayer();
  }
  return planner.Take();
}

}  // namespace lathe::trainer::model
