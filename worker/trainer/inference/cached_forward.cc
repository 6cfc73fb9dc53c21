#include "worker/trainer/inference/cached_forward.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "common/base/check.h"
#include "worker/trainer/kernels/cached_attention.h"
#include "worker/trainer/model/attention.h"
#include "worker/trainer/model/layer.h"

namespace lathe::trainer::inference {
namespace {

/// Whether the angles of a sequence's positions stay when it grows to that length.
bool Continues(const model::Decoder& decoder, const KeyValueCache& cache, std::int64_t length) {
  return std::all_of(decoder.ropes.begin(), decoder.ropes.end(),
                     [&](const model::Rope& rope) { return rope.Continues(cache.length, length); });
}

/// Stores the keys and values of the positions that follow.
void Store(const model::ModelDescription& d, std::size_t layer, const at::Tensor& qkv,
           KeyValueCache& cache) {
  const auto store = [&](at::Tensor& kept, std::int64_t begin) {
    kept.narrow(1, cache.length, qkv.size(0))
        .copy_(qkv.narrow(1, begin, d.KeyWidth())
                   .unflatten(1, {d.kv_heads, d.head_dim})
                   .transpose(0, 1));
  };
  store(cache.keys[layer], d.QueryWidth());
  store(cache.values[layer], d.QueryWidth() + d.KeyWidth());
}

/// What the rows, whose keys and values have been stored, get from all so far.
at::Tensor Attend(const model::ModelDescription& d, std::size_t layer, const at::Tensor& qkv,
                  const KeyValueCache& cache) {
  const model::AttentionShape shape = model::ShapeOf(d, layer);
  const std::int64_t count = qkv.size(0);
  const at::Tensor& keys = cache.keys[layer];
  const at::Tensor& values = cache.values[layer];
  if (kernels::HasCachedAttention(qkv)) {
    std::vector<kernels::CachedKeys> rows;
    for (std::int64_t i = 0; i < count; ++i) {
      rows.push_back({keys, values, cache.length + i + 1});
    }
    return kernels::CachedAttention(shape, qkv, rows);
  }
  if (kernels::HasCausalAttention(qkv)) {
    const kernels::KeyPrefix before{keys.narrow(1, 0, cache.length),
                                    values.narrow(1, 0, cache.length)};
    at::Tensor out = at::empty({count, d.QueryWidth()}, qkv.options());
    const kernels::SequenceRows all{0, count};
    at::Tensor probabilities;
    kernels::CausalAttention(shape, {&all, 1}, {qkv, cache.length == 0 ? nullptr : &before}, out,
                             {&probabilities, 1});
    return out;
  }
  return model::AttentionOverCache(shape, qkv.narrow(1, 0, d.QueryWidth()).contiguous(),
                                   keys.narrow(1, 0, cache.length + count),
                                   values.narrow(1, 0, cache.length + count));
}

/// The same of one row of each sequence.
at::Tensor AttendEach(const model::ModelDescription& d, std::size_t layer, const at::Tensor& qkv,
                      const std::vector<KeyValueCache*>& caches) {
  std::vector<at::Tensor> outs;
  std::vector<kernels::CachedKeys> rows;
  const bool together = kernels::HasCachedAttention(qkv);
  for (std::size_t i = 0; i < caches.size(); ++i) {
    const at::Tensor row = qkv.narrow(0, static_cast<std::int64_t>(i), 1);
    Store(d, layer, row, *caches[i]);
    if (together) {
      rows.push_back({caches[i]->keys[layer], caches[i]->values[layer], caches[i]->length + 1});
    } else {
      outs.push_back(Attend(d, layer, row, *caches[i]));
    }
  }
  return together ? kernels::CachedAttention(model::ShapeOf(d, layer), qkv, rows) : at::cat(outs);
}

/// The angles of the next position of each sequence.
model::RopeTable NextRows(const model::Rope& rope, const at::Tensor& tokens,
                          const std::vector<KeyValueCache*>& caches) {
  std::vector<at::Tensor> cosines;
  std::vector<at::Tensor> sines;
  for (const KeyValueCache* cache : caches) {
    const at::Tensor position = at::arange(cache->length, cache->length + 1, tokens.options());
    const model::RopeTable row = rope.Rows(position, {1}, cache->length);
    cosines.push_back(row.cosine);
    sines.push_back(row.sine);
  }
  return {at::cat(cosines), at::cat(sines)};
}

/// The hidden states of one token of each sequence.
at::Tensor ContinueEach(const model::Decoder& decoder, const model::Additions& additions,
                        const at::Tensor& tokens, const std::vector<KeyValueCache*>& caches) {
  model::LayerPass pass{decoder, additions, {}};
  for (const model::Rope& rope : decoder.ropes) {
    pass.ropes.push_back(NextRows(rope, tokens, caches));
  }
  at::Tensor x = model::Embed(decoder, tokens);
  if (decoder.source) decoder.source->Begin({});
  for (std::size_t layer = 0; layer < decoder.layers.size(); ++layer) {
    const model::HeldLayer held(decoder.source.get(), layer);
    x = model::ForwardLayer(pass, layer, x, nullptr, [&](const at::Tensor& qkv) {
      return AttendEach(decoder.description, layer, qkv, caches);
    });
  }
  for (KeyValueCache* cache : caches) ++cache->length;
  return x;
}

/// The hidden states of tokens that continue what the cache holds.
at::Tensor Continue(const model::Decoder& decoder, const model::Additions& additions,
                    const at::Tensor& tokens, KeyValueCache& cache) {
  const std::int64_t count = tokens.size(0);
  const at::Tensor positions = at::arange(cache.length, cache.length + count, tokens.options());
  model::LayerPass pass{decoder, additions, {}};
  for (const model::Rope& rope : decoder.ropes) {
    pass.ropes.push_back(rope.Rows(positions, {count}, cache.length));
  }
  at::Tensor x = model::Embed(decoder, tokens);
  if (decoder.source) decoder.source->Begin({});
  for (std::size_t layer = 0; layer < decoder.layers.size(); ++layer) {
    const model::HeldLayer held(decoder.source.get(), layer);
    x = model::ForwardLayer(pass, layer, x, nullptr, [&](const at::Tensor& qkv) {
      Store(decoder.description, layer, qkv, cache);
      return Attend(decoder.description, layer, qkv, cache);
    });
  }
  cache.length += count;
  return x;
}

}  // namespace

KeyValueCache MakeCache(const model::Decoder& decoder, const model::Additions& additions,
                        std::int64_t tokens) {
  const model::ModelDescription& d = decoder.description;
  const std::int64_t prefix = additions.prefix.length();
  const std::int64_t capacity = prefix + tokens;
  KeyValueCache cache{.keys = {},
                      .values = {},
                      .tokens = at::empty({capacity}, decoder.embedding.options().dtype(at::kLong)),
                      .prefix = prefix,
                      .length = prefix,
                      .capacity = capacity};
  for (std::size_t layer = 0; layer < decoder.layers.size(); ++layer) {
    for (auto* list : {&cache.keys, &cache.values}) {
      list->push_back(at::empty({d.kv_heads, capacity, d.head_dim}, decoder.embedding.options()));
    }
    if (const model::PrefixLayer* from = additions.prefix.Find(layer)) {
      cache.keys[layer].narrow(1, 0, prefix).copy_(from->keys);
      cache.values[layer].narrow(1, 0, prefix).copy_(from->values);
    }
  }
  return cache;
}

at::Tensor Append(const model::Decoder& decoder, const model::Additions& additions,
                  const at::Tensor& tokens, KeyValueCache& cache) {
  const std::int64_t length = cache.length + tokens.size(0);
  LATHE_CHECK(length <= cache.capacity, "the cache is too small");
  cache.tokens.narrow(0, cache.length, tokens.size(0)).copy_(tokens);
  if (!Continues(decoder, cache, length)) cache.length = cache.prefix;
  const at::Tensor x = Continue(decoder, additions,
                                cache.tokens.narrow(0, cache.length, length - cache.length), cache);
  return model::Logits(decoder, additions, x.narrow(0, x.size(0) - 1, 1)).select(0, 0);
}

at::Tensor AppendToEach(const model::Decoder& decoder, const model::Additions& additions,
                        const at::Tensor& tokens, const std::vector<KeyValueCache*>& caches) {
  const bool all_continue = std::all_of(caches.begin(), caches.end(), [&](const auto* cache) {
    return Continues(decoder, *cache, cache->length + 1);
  });
  const auto token = [&](std::size_t i) {
    return tokens.narrow(0, static_cast<std::int64_t>(i), 1);
  };
  if (!all_continue || caches.size() == 1) {
    std::vector<at::Tensor> rows;
    for (std::size_t i = 0; i < caches.size(); ++i) {
      rows.push_back(Append(decoder, additions, token(i), *caches[i]).unsqueeze(0));
    }
    return at::cat(rows);
  }
  for (std::size_t i = 0; i < caches.size(); ++i) {
    LATHE_CHECK(caches[i]->length < caches[i]->capacity, "the cache is too small");
    caches[i]->tokens.narrow(0, caches[i]->length, 1).copy_(token(i));
  }
  return model::Logits(decoder, additions, ContinueEach(decoder, additions, tokens, caches));
}

}  // namespace lathe::trainer::inference
