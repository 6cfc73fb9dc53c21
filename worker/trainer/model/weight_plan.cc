#include "worker/trainer/model/weight_plan.h"

#include <ATen/ops/empty.h>

namespace lathe::trainer::model {
namespace {

FusedLinear AllocateLinear(const std::string& prefix, std::int64_t in,
                           const std::vector<std::pair<std::string, std::int64_t>>& parts,
                           const at::TensorOptions& options,
                           const std::shared_ptr<quantization::Scratch>& scratch) {
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

class Planner {
 public:
  void Add(const std::string& name, const std::string& gguf_name, const at::Tensor& destination,
           std::int64_t interleaved_head_dim = 0) {
    plan_.push_back({name + ".weight", gguf_name + ".weight", destination, interleaved_head_dim});
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
  std::vector<Placement> Take() { return std::move(plan_); }

 private:
  std::vector<Placement> plan_;
};

}  // namespace

Decoder AllocateDecoder(const ModelDescription& d, at::ScalarType dtype, WeightStorage storage) {
  const auto scratch =
      storage == WeightStorage::kQuantized ? std::make_shared<quantization::Scratch>() : nullptr;
  const auto options = at::TensorOptions().dtype(dtype);
  Decoder decoder;
  decoder.description = d;
  decoder.embedding = at::empty({d.vocabulary, d.hidden}, options);
  decoder.final_norm = at::empty({d.hidden}, options);
  const std::int64_t q = d.heads * d.head_dim;
  const std::int64_t kv = d.kv_heads * d.head_dim;
  for (std::int64_t i = 0; i < d.layers; ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    LayerWeights layer{
        at::empty({d.hidden}, options), at::empty({d.hidden}, options), {}, {}, {}, {}};
    layer.qkv = AllocateLinear(prefix + "self_attn.", d.hidden,
                               {{"q_proj", q}, {"k_proj", kv}, {"v_proj", kv}}, options, scratch);
    if (d.qkv_bias) layer.qkv.bias = at::empty({q + 2 * kv}, options);
    layer.output =
        AllocateLinear(prefix + "self_attn.", q, {{"o_proj", d.hidden}}, options, scratch);
    layer.gate_up = AllocateLinear(prefix + "mlp.", d.hidden,
                                   {{"gate_proj", d.intermediate}, {"up_proj", d.intermediate}},
                                   options, scratch);
    layer.down = AllocateLinear(prefix + "mlp.", d.intermediate, {{"down_proj", d.hidden}}, options,
                                scratch);
    decoder.layers.push_back(std::move(layer));
  }
  decoder.head.parts = {{"lm_head", 0, d.vocabulary}};
  decoder.head.weight =
      d.tied_embeddings ? decoder.embedding : at::empty({d.vocabulary, d.hidden}, options);
  return decoder;
}

std::vector<Placement> PlanWeights(Decoder& decoder) {
  const ModelDescription& d = decoder.description;
  const std::int64_t interleaved = d.architecture == "qwen2" ? 0 : d.head_dim;
  Planner planner;
  planner.Add("model.embed_tokens", "token_embd", decoder.embedding);
  planner.Add("model.norm", "output_norm", decoder.final_norm);
  if (!d.tied_embeddings) planner.Add("lm_head", "output", decoder.head.weight);
  for (std::size_t i = 0; i < decoder.layers.size(); ++i) {
    LayerWeights& layer = decoder.layers[i];
    const std::string hf = "model.layers." + std::to_string(i) + ".";
    const std::string gguf = "blk." + std::to_string(i) + ".";
    planner.Add(hf + "input_layernorm", gguf + "attn_norm", layer.attention_norm);
    planner.Add(hf + "post_attention_layernorm", gguf + "ffn_norm", layer.mlp_norm);
    planner.AddLinear(layer.qkv, {gguf + "attn_q", gguf + "attn_k", gguf + "attn_v"},
                      {interleaved, interleaved, 0});
    planner.AddLinear(layer.output, {gguf + "attn_output"}, {0});
    planner.AddLinear(layer.gate_up, {gguf + "ffn_gate", gguf + "ffn_up"}, {0, 0});
    planner.AddLinear(layer.down, {gguf + "ffn_down"}, {0});
  }
  return planner.Take();
}

}  // namespace lathe::trainer::model
