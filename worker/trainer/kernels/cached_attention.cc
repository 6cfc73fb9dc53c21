#include "worker/trainer/kernels/cached_attention.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "common/base/check.h"
#include "worker/trainer/kernels/cpu/row_kernels.h"
#include "worker/trainer/kernels/dot_choice.h"
#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/tasks.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

namespace {

/// The queries of one row that share a head of keys. scores: [heads of the group, keys].
template <class T>
void Attend(const CausalHeads& heads, const at::Tensor& qkv, std::int64_t row, std::int64_t kv_head,
            const CachedKeys& cached, float* scores, const at::Tensor& out) {
  const std::int64_t dim = heads.head_dim;
  const std::int64_t group = heads.heads / heads.kv_heads;
  const std::int64_t first =
      heads.window == 0 ? 0 : std::max<std::int64_t>(0, cached.length - heads.window);
  const std::int64_t count = cached.length - first;
  const std::int64_t offset = kv_head * cached.keys.stride(0) + first * dim;
  const std::int64_t column = kv_head * group * dim;
  const DotSegment<T> segment{Data<T>(cached.keys) + offset, dim,
                              Data<T>(qkv) + row * qkv.stride(0) + column, dim, dim};
  DotsOf<T>().fp32_dots({.segments = &segment,
                         .segment_count = 1,
                         .lines = count,
                         .rows = group,
                         .out = scores,
                         .out_stride = count});
  const ScoreMap map{static_cast<float>(heads.scaling.scale),
                     static_cast<float>(heads.scaling.cap)};
  for (std::int64_t head = 0; head < group; ++head) {
    Float32Kernels().softmax(scores + head * count, {0, count}, count, map);
    DotsOf<T>().sum_lines({{Data<T>(cached.values) + offset, dim, count},
                           scores + head * count,
                           dim,
                           Data<T>(out) + row * out.stride(0) + column + head * dim});
  }
}

}  // namespace

bool HasCachedAttention(const at::Tensor& qkv) {
  return HasDots(qkv) && !HasGemm(qkv);
}

at::Tensor CachedAttention(const CausalHeads& heads, const at::Tensor& qkv,
                           std::span<const CachedKeys> sequences) {
  at::Tensor out = at::empty({qkv.size(0), heads.heads * heads.head_dim}, qkv.options());
  std::int64_t longest = 0;
  std::int64_t keys = 0;
  for (const CachedKeys& sequence : sequences) {
    longest = std::max(longest, sequence.length);
    keys += sequence.length;
  }
  const std::int64_t space = heads.heads / heads.kv_heads * longest;
  const at::Tensor scores = at::empty({space * at::get_num_threads()}, at::kFloat);
  DispatchTiles(qkv, [&](auto tag) {
    using T = decltype(tag);
    ForTasks(qkv.size(0) * heads.kv_heads, keys * heads.kv_heads * heads.head_dim * kReadWork,
             [&](std::int64_t task, std::int64_t worker) {
               const std::int64_t row = task / heads.kv_heads;
               Attend<T>(heads, qkv, row, task % heads.kv_heads,
                         sequences[static_cast<std::size_t>(row)],
                         Data<float>(scores) + worker * space, out);
             });
  });
  return out;
}

#else

bool HasCachedAttention(const at::Tensor&) {
  return false;
}
at::Tensor CachedAttention(const CausalHeads&, const at::Tensor&, std::span<const CachedKeys>) {
  LATHE_CHECK(false, "no attention of our own on this processor");
}

#endif

}  // namespace lathe::trainer::kernels
