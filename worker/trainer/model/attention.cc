#include "worker/trainer/model/attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "worker/trainer/kernels/gemm.h"

namespace lathe::trainer::model {
namespace {

/// [T, kv_heads * group * head_dim] -> [kv_heads, group * T, head_dim]; contiguous.
at::Tensor GroupQueries(const AttentionShape& shape, const at::Tensor& x) {
  const std::int64_t group = shape.heads / shape.kv_heads;
  return x.unflatten(1, {shape.kv_heads, group, shape.head_dim})
      .permute({1, 2, 0, 3})
      .reshape({shape.kv_heads, group * x.size(0), shape.head_dim});
}

/// The inverse, written into `to` [T, heads * head_dim].
void UngroupQueries(const AttentionShape& shape, const at::Tensor& x, at::Tensor to) {
  const std::int64_t group = shape.heads / shape.kv_heads;
  to.unflatten(1, {shape.kv_heads, group, shape.head_dim})
      .copy_(x.unflatten(1, {group, to.size(0)}).permute({2, 0, 1, 3}));
}

struct Sections {
  at::Tensor queries;  ///< [T, heads * head_dim]
  at::Tensor keys;     ///< [kv_heads, T, head_dim]
  at::Tensor values;   ///< [kv_heads, T, head_dim]
};

/// Views.
Sections Split(const AttentionShape& shape, const at::Tensor& qkv) {
  const std::int64_t q = shape.heads * shape.head_dim;
  const std::int64_t kv = shape.kv_heads * shape.head_dim;
  const auto heads = [&](std::int64_t begin) {
    return qkv.narrow(1, begin, kv).unflatten(1, {shape.kv_heads, shape.head_dim}).transpose(0, 1);
  };
  return {qkv.narrow(1, 0, q), heads(q), heads(q + kv)};
}

/// The same with the keys and values of a prefix in front.
Sections SplitWithPrefix(const AttentionShape& shape, const AttentionInput& input) {
  Sections s = Split(shape, input.qkv);
  if (input.prefix != nullptr) {
    s.keys = at::cat({input.prefix->keys, s.keys}, 1);
    s.values = at::cat({input.prefix->values, s.values}, 1);
  }
  return s;
}

/// The queries at positions begin .. begin + rows - 1 and the keys that any of them sees.
struct Block {
  std::int64_t begin = 0;
  std::int64_t rows = 0;
  std::int64_t first_key = 0;

  std::int64_t keys() const { return begin + rows - first_key; }
};

Block MakeBlock(const AttentionShape& shape, std::int64_t begin, std::int64_t rows) {
  const std::int64_t first =
      shape.window == 0 ? 0 : std::max<std::int64_t>(0, begin - shape.window + 1);
  return {begin, rows, first};
}

at::Tensor Scores(const at::Tensor& grouped, const at::Tensor& keys) {
  return kernels::BatchedProduct(grouped, keys.transpose(1, 2));
}

at::Tensor Probabilities(const AttentionShape& shape, const Block& block, at::Tensor scores) {
  kernels::CausalSoftmax(scores,
                         {.queries = block.rows,
                          .first = block.begin,
                          .first_key = block.first_key,
                          .window = shape.window},
                         shape.scaling);
  return scores;
}

std::vector<kernels::SequenceRows> RowsOf(const std::vector<std::int64_t>& lengths) {
  std::vector<kernels::SequenceRows> rows;
  std::int64_t begin = 0;
  for (const std::int64_t length : lengths) {
    rows.push_back({begin, length});
    begin += length;
  }
  return rows;
}

}  // namespace

AttentionShape ShapeOf(const ModelDescription& d, std::size_t layer) {
  const LayerDescription& l = d.layer[layer];
  return {d.heads, d.kv_heads, d.head_dim, l.window, {l.score_scale, l.score_cap}};
}

at::Tensor AttentionForward(const AttentionShape& shape, const AttentionInput& input,
                            at::Tensor& out) {
  const std::int64_t length = input.qkv.size(0);
  const Sections s = SplitWithPrefix(shape, input);
  const std::int64_t before = s.keys.size(1) - length;
  at::Tensor kept;
  for (std::int64_t begin = 0; begin < length; begin += kAttentionBlock) {
    const Block block = MakeBlock(shape, before + begin, std::min(kAttentionBlock, length - begin));
    const at::Tensor queries = GroupQueries(shape, s.queries.narrow(0, begin, block.rows));
    const at::Tensor p = Probabilities(
        shape, block, Scores(queries, s.keys.narrow(1, block.first_key, block.keys())));
    UngroupQueries(shape,
                   kernels::BatchedProduct(p, s.values.narrow(1, block.first_key, block.keys())),
                   out.narrow(0, begin, block.rows));
    if (length <= kAttentionBlock) kept = p;
  }
  return kept;
}

void AttentionBackward(const AttentionShape& shape, const AttentionInput& input,
                       const at::Tensor& probabilities, const at::Tensor& dout, at::Tensor& dqkv) {
  const std::int64_t length = input.qkv.size(0);
  const Sections s = SplitWithPrefix(shape, input);
  const std::int64_t before = s.keys.size(1) - length;
  const Sections own = Split(shape, dqkv);
  Sections d = own;
  if (before > 0) {
    d.keys = at::zeros_like(s.keys);
    d.values = at::zeros_like(s.values);
  }
  const bool capped = shape.scaling.cap > 0;
  for (std::int64_t begin = 0; begin < length; begin += kAttentionBlock) {
    const Block block = MakeBlock(shape, before + begin, std::min(kAttentionBlock, length - begin));
    const at::Tensor keys = s.keys.narrow(1, block.first_key, block.keys());
    const at::Tensor values = s.values.narrow(1, block.first_key, block.keys());
    const at::Tensor queries = GroupQueries(shape, s.queries.narrow(0, begin, block.rows));
    const at::Tensor p = probabilities.defined()
                             ? probabilities
                             : Probabilities(shape, block, Scores(queries, keys));
    const at::Tensor grouped_dout = GroupQueries(shape, dout.narrow(0, begin, block.rows));
    at::Tensor ds = kernels::BatchedProduct(grouped_dout, values.transpose(1, 2));
    kernels::SoftmaxBackward(p, ds, shape.scaling.scale);
    if (capped) kernels::SoftCapBackward(Scores(queries, keys), ds, shape.scaling);
    UngroupQueries(shape, kernels::BatchedProduct(ds, keys),
                   d.queries.narrow(0, begin, block.rows));
    const at::Tensor dkeys = kernels::BatchedProduct(ds.transpose(1, 2), queries);
    const at::Tensor dvalues = kernels::BatchedProduct(p.transpose(1, 2), grouped_dout);
    // Later blocks add to the keys of earlier ones; rows first seen by this block are set.
    const std::int64_t earlier = block.begin - block.first_key;
    if (earlier > 0) {
      d.keys.narrow(1, block.first_key, earlier).add_(dkeys.narrow(1, 0, earlier));
      d.values.narrow(1, block.first_key, earlier).add_(dvalues.narrow(1, 0, earlier));
    }
    d.keys.narrow(1, block.begin, block.rows).copy_(dkeys.narrow(1, earlier, block.rows));
    d.values.narrow(1, block.begin, block.rows).copy_(dvalues.narrow(1, earlier, block.rows));
  }
  if (before == 0) return;
  own.keys.copy_(d.keys.narrow(1, before, length));
  own.values.copy_(d.values.narrow(1, before, length));
  input.prefix->key_gradient.add_(d.keys.narrow(1, 0, before));
  input.prefix->value_gradient.add_(d.values.narrow(1, 0, before));
}

std::vector<at::Tensor> AttentionForward(const AttentionShape& shape, const SequencesInput& input,
                                         at::Tensor& out) {
  const std::vector<kernels::SequenceRows> sequences = RowsOf(input.lengths);
  std::vector<at::Tensor> probabilities(sequences.size());
  if (kernels::HasCausalAttention(input.qkv)) {
    kernels::CausalAttention(shape, sequences, {input.qkv, input.prefix}, out, probabilities);
    return probabilities;
  }
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const kernels::SequenceRows& rows = sequences[i];
    at::Tensor own = out.narrow(0, rows.begin, rows.length);
    probabilities[i] =
        AttentionForward(shape, {input.qkv.narrow(0, rows.begin, rows.length), input.prefix}, own);
  }
  return probabilities;
}

void AttentionBackward(const AttentionShape& shape, const SequencesInput& input,
                       const std::vector<at::Tensor>& probabilities, const at::Tensor& dout,
                       at::Tensor& dqkv) {
  const std::vector<kernels::SequenceRows> sequences = RowsOf(input.lengths);
  if (kernels::HasCausalAttention(input.qkv)) {
    const kernels::CausalAttentionTape tape{{input.qkv, input.prefix}, probabilities};
    return kernels::CausalAttentionBackward(shape, sequences, tape, dout, dqkv);
  }
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const kernels::SequenceRows& rows = sequences[i];
    at::Tensor own = dqkv.narrow(0, rows.begin, rows.length);
    AttentionBackward(shape, {input.qkv.narrow(0, rows.begin, rows.length), input.prefix},
                      probabilities[i], dout.narrow(0, rows.begin, rows.length), own);
  }
}

at::Tensor AttentionOverCache(const AttentionShape& shape, const at::Tensor& queries,
                              const at::Tensor& keys, const at::Tensor& values) {
  const std::int64_t rows = queries.size(0);
  const Block block = MakeBlock(shape, keys.size(1) - rows, rows);
  const at::Tensor p = Probabilities(
      shape, block,
      Scores(GroupQueries(shape, queries), keys.narrow(1, block.first_key, block.keys())));
  at::Tensor out = at::empty_like(queries);
  UngroupQueries(shape, kernels::BatchedProduct(p, values.narrow(1, block.first_key, block.keys())),
                 out);
  return out;
}

}  // namespace lathe::trainer::model
