#include "worker/trainer/model/attention.h"

#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cmath>

#include "worker/trainer/kernels/ops.h"

namespace lathe::trainer::model {
namespace {

double Scale(const AttentionShape& shape) {
  return 1.0 / std::sqrt(static_cast<double>(shape.head_dim));
}

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

at::Tensor Probabilities(const AttentionShape& shape, const at::Tensor& grouped,
                         const at::Tensor& keys, std::int64_t first) {
  at::Tensor scores = at::bmm(grouped, keys.transpose(1, 2));
  const std::int64_t queries = grouped.size(1) / (shape.heads / shape.kv_heads);
  kernels::CausalSoftmax(scores, {.queries = queries, .first = first}, Scale(shape));
  return scores;
}

}  // namespace

at::Tensor AttentionForward(const AttentionShape& shape, const at::Tensor& qkv, at::Tensor& out) {
  const std::int64_t length = qkv.size(0);
  const Sections s = Split(shape, qkv);
  at::Tensor kept;
  for (std::int64_t begin = 0; begin < length; begin += kAttentionBlock) {
    const std::int64_t rows = std::min(kAttentionBlock, length - begin);
    const at::Tensor p = Probabilities(shape, GroupQueries(shape, s.queries.narrow(0, begin, rows)),
                                       s.keys.narrow(1, 0, begin + rows), begin);
    UngroupQueries(shape, at::bmm(p, s.values.narrow(1, 0, begin + rows)),
                   out.narrow(0, begin, rows));
    if (length <= kAttentionBlock) kept = p;
  }
  return kept;
}

void AttentionBackward(const AttentionShape& shape, const at::Tensor& qkv,
                       const at::Tensor& probabilities, const at::Tensor& dout, at::Tensor& dqkv) {
  const std::int64_t length = qkv.size(0);
  const Sections s = Split(shape, qkv);
  const Sections d = Split(shape, dqkv);
  for (std::int64_t begin = 0; begin < length; begin += kAttentionBlock) {
    const std::int64_t rows = std::min(kAttentionBlock, length - begin);
    const std::int64_t seen = begin + rows;
    const at::Tensor keys = s.keys.narrow(1, 0, seen);
    const at::Tensor queries = GroupQueries(shape, s.queries.narrow(0, begin, rows));
    const at::Tensor p =
        probabilities.defined() ? probabilities : Probabilities(shape, queries, keys, begin);
    const at::Tensor grouped_dout = GroupQueries(shape, dout.narrow(0, begin, rows));
    at::Tensor ds = at::bmm(grouped_dout, s.values.narrow(1, 0, seen).transpose(1, 2));
    kernels::SoftmaxBackward(p, ds, Scale(shape));
    UngroupQueries(shape, at::bmm(ds, keys), d.queries.narrow(0, begin, rows));
    const at::Tensor dkeys = at::bmm(ds.transpose(1, 2), queries);
    const at::Tensor dvalues = at::bmm(p.transpose(1, 2), grouped_dout);
    // Later blocks add to the keys of earlier ones; rows first seen by this block are set.
    if (begin > 0) {
      d.keys.narrow(1, 0, begin).add_(dkeys.narrow(1, 0, begin));
      d.values.narrow(1, 0, begin).add_(dvalues.narrow(1, 0, begin));
    }
    d.keys.narrow(1, begin, rows).copy_(dkeys.narrow(1, begin, rows));
    d.values.narrow(1, begin, rows).copy_(dvalues.narrow(1, begin, rows));
  }
}

at::Tensor AttentionOverCache(const AttentionShape& shape, const at::Tensor& queries,
                              const at::Tensor& keys, const at::Tensor& values) {
  const std::int64_t first = keys.size(1) - queries.size(0);
  const at::Tensor p = Probabilities(shape, GroupQueries(shape, queries), keys, first);
  at::Tensor out = at::empty_like(queries);
  UngroupQueries(shape, at::bmm(p, values), out);
  return out;
}

}  // namespace lathe::trainer::model
