#include "worker/trainer/formats/dequantize.h"
#include "worker/trainer/model/description.h"
#include "worker/trainer/model/description_check.h"

namespace lathe::trainer::model {
namespace {

using formats::Gguf;

std::int64_t IntegerOr(const Gguf& gguf, const std::string& key, std::int64_t fallback) {
  const auto* value = gguf.FindAs<std::int64_t>(key);
  return value == nullptr ? fallback : *value;
}

Result<RopeDescription> ReadRope(const Gguf& gguf, const std::string& arch) {
  RopeDescription rope;
  if (gguf.Find(arch + ".rope.freq_base") != nullptr) {
    LATHE_ASSIGN_OR_RETURN(rope.theta, gguf.Number(arch + ".rope.freq_base"));
  }
  if (const auto* type = gguf.FindAs<std::string_view>(arch + ".rope.scaling.type")) {
    if (*type == "linear") {
      LATHE_ASSIGN_OR_RETURN(rope.linear_factor, gguf.Number(arch + ".rope.scaling.factor"));
    } else if (*type != "none") {
      return Failure(ErrorCode::kInvalidArgument, gguf.path().string() + ": rope scaling \"" +
                                                      std::string(*type) +
                                                      "\" is not supported (none and linear are)");
    }
  }
  // Llama 3's scaling comes as a tensor of divisors.
  if (const formats::TensorInfo* divisors = gguf.FindTensor("rope_freqs.weight")) {
    LATHE_ASSIGN_OR_RETURN(const std::int64_t count, formats::ElementCount(divisors->shape));
    rope.frequency_divisors.resize(static_cast<std::size_t>(count));
    const formats::RowRange all{0, formats::RowCount(*divisors)};
    LATHE_RETURN_IF_ERROR(formats::DequantizeRows(*divisors, all, rope.frequency_divisors));
  }
  return rope;
}

}  // namespace

Result<ModelDescription> DescribeGguf(const Gguf& gguf) {
  ModelDescription d;
  LATHE_ASSIGN_OR_RETURN(const std::string_view arch_view, gguf.String("general.architecture"));
  const std::string arch(arch_view);
  if (arch != "llama" && arch != "qwen2") {
    return Failure(ErrorCode::kInvalidArgument, gguf.path().string() + ": architecture \"" + arch +
                                                    "\" is not supported (llama, qwen2 are)");
  }
  d.architecture = arch;
  LATHE_ASSIGN_OR_RETURN(d.hidden, gguf.Integer(arch + ".embedding_length"));
  LATHE_ASSIGN_OR_RETURN(d.layers, gguf.Integer(arch + ".block_count"));
  LATHE_ASSIGN_OR_RETURN(d.heads, gguf.Integer(arch + ".attention.head_count"));
  LATHE_ASSIGN_OR_RETURN(d.intermediate, gguf.Integer(arch + ".feed_forward_length"));
  LATHE_ASSIGN_OR_RETURN(d.rms_epsilon, gguf.Number(arch + ".attention.layer_norm_rms_epsilon"));
  d.kv_heads = IntegerOr(gguf, arch + ".attention.head_count_kv", d.heads);
  d.head_dim =
      IntegerOr(gguf, arch + ".attention.key_length", d.heads > 0 ? d.hidden / d.heads : 0);
  d.context = IntegerOr(gguf, arch + ".context_length", 2048);
  const formats::TensorInfo* embedding = gguf.FindTensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    return Failure(ErrorCode::kInvalidArgument,
                   gguf.path().string() + ": tensor token_embd.weight is missing");
  }
  d.vocabulary = embedding->shape[0];
  d.tied_embeddings = gguf.FindTensor("output.weight") == nullptr;
  d.qkv_bias = gguf.FindTensor("blk.0.attn_q.bias") != nullptr;
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    if (const auto* id = gguf.FindAs<std::int64_t>(key)) d.end_tokens.push_back(*id);
  }
  LATHE_ASSIGN_OR_RETURN(d.rope, ReadRope(gguf, arch));
  LATHE_RETURN_IF_ERROR(CheckDescription(d, gguf.path().string()));
  return d;
}

}  // namespace lathe::trainer::model
