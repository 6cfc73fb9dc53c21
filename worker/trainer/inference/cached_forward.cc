#include "worker/trainer/inference/cached_forward.h"

#include <ATen/ops/empty.h>

#include "common/base/check.h"
#include "worker/trainer/kernels/ops.h"
#include "worker/trainer/model/attention.h"

namespace lathe::trainer::inference {
namespace {

using model::Site;

class Continuation {
 public:
  Continuation(const model::Decoder& decoder, const model::Additions& additions,
               KeyValueCache& cache, std::int64_t count)
      : decoder_(decoder),
        additions_(additions),
        cache_(cache),
        shape_{decoder.description.heads, decoder.description.kv_heads,
               decoder.description.head_dim},
        cosine_(decoder.rope.cosine.narrow(0, cache.length, count)),
        sine_(decoder.rope.sine.narrow(0, cache.length, count)) {}

  at::Tensor Layer(std::size_t layer, const at::Tensor& x) {
    const model::LayerWeights& w = decoder_.layers[layer];
    const double epsilon = decoder_.description.rms_epsilon;
    at::Tensor qkv = Apply(layer, Site::kQkv, kernels::RmsNorm(x, w.attention_norm, epsilon).y);
    kernels::ApplyRope(qkv, shape_.heads + shape_.kv_heads, cosine_, sine_,
                       kernels::Rotation::kForward);
    const at::Tensor middle = Apply(layer, Site::kOutput, Attend(layer, qkv)).add_(x);
    const at::Tensor gate_up =
        Apply(layer, Site::kGateUp, kernels::RmsNorm(middle, w.mlp_norm, epsilon).y);
    return Apply(layer, Site::kDown, kernels::SwiGlu(gate_up)).add_(middle);
  }

 private:
  at::Tensor Apply(std::size_t layer, Site site, const at::Tensor& x) const {
    const std::size_t index = model::GroupIndex(layer, site);
    return model::Forward(model::LinearAt(decoder_, index), additions_.low_rank.Find(index), x,
                          nullptr);
  }

  at::Tensor Attend(std::size_t layer, const at::Tensor& qkv) {
    const std::int64_t count = qkv.size(0);
    const std::int64_t q = shape_.heads * shape_.head_dim;
    const std::int64_t kv = shape_.kv_heads * shape_.head_dim;
    const auto store = [&](at::Tensor& cache, std::int64_t begin) {
      cache.narrow(1, cache_.length, count)
          .copy_(qkv.narrow(1, begin, kv)
                     .unflatten(1, {shape_.kv_heads, shape_.head_dim})
                     .transpose(0, 1));
      return cache.narrow(1, 0, cache_.length + count);
    };
    const at::Tensor keys = store(cache_.keys[layer], q);
    const at::Tensor values = store(cache_.values[layer], q + kv);
    return model::AttentionOverCache(shape_, qkv.narrow(1, 0, q).contiguous(), keys, values);
  }

  const model::Decoder& decoder_;
  const model::Additions& additions_;
  KeyValueCache& cache_;
  model::AttentionShape shape_;
  at::Tensor cosine_;
  at::Tensor sine_;
};

}  // namespace

KeyValueCache MakeCache(const model::Decoder& decoder, std::int64_t capacity) {
  const model::ModelDescription& d = decoder.description;
  KeyValueCache cache{.keys = {}, .values = {}, .length = 0, .capacity = capacity};
  for (std::size_t layer = 0; layer < decoder.layers.size(); ++layer) {
    for (auto* list : {&cache.keys, &cache.values}) {
      list->push_back(at::empty({d.kv_heads, capacity, d.head_dim}, decoder.embedding.options()));
    }
  }
  return cache;
}

at::Tensor Append(const model::Decoder& decoder, const model::Additions& additions,
                  const at::Tensor& tokens, KeyValueCache& cache) {
  const std::int64_t count = tokens.size(0);
  LATHE_CHECK(cache.length + count <= cache.capacity, "the cache is too small");
  Continuation continuation(decoder, additions, cache, count);
  at::Tensor x = decoder.embedding.index_select(0, tokens);
  for (std::size_t layer = 0; layer < decoder.layers.size(); ++layer) {
    x = continuation.Layer(layer, x);
  }
  cache.length += count;
  return model::Logits(decoder, additions, x.narrow(0, count - 1, 1)).select(0, 0);
}

}  // namespace lathe::trainer::inference
