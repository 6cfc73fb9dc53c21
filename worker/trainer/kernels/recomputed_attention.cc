#include "worker/trainer/kernels/recomputed_attention.h"

#include <algorithm>
#include <vector>

#include "worker/trainer/kernels/attended_sequence.h"
#include "worker/trainer/kernels/tasks.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

namespace {

template <class T>
void Forward(const Sequence<T>& sequence, const at::Tensor& out) {
  using Order = typename PackedKeys<T>::Order;
  const std::int64_t heads = sequence.heads().kv_heads;
  const std::int64_t keys = sequence.keys();
  const std::int64_t dim = sequence.dim();
  const PackedKeys<T> packed_keys(Order::kColumns, heads, keys, dim);
  const PackedKeys<T> packed_values(Order::kAcross, heads, keys, dim);
  std::vector<at::Tensor> lines;
  for (std::int64_t head = 0; head < heads; ++head) {
    lines.push_back(sequence.Keys(head));
    lines.push_back(sequence.Values(head));
  }
  const std::int64_t packing = packed_keys.tasks();
  ForTasks(packing * heads * 2, keys * dim * heads * 2, [&](std::int64_t task, std::int64_t) {
    const std::int64_t list = task / packing;
    (list % 2 == 0 ? packed_keys : packed_values)
        .Pack(LinesOf<T>(lines[static_cast<std::size_t>(list)]), list / 2, task % packing);
  });

  const std::int64_t rows = TileRows<T>();
  const std::int64_t blocks = CeilDivide(sequence.length(), rows);
  const std::int64_t stride = ScoreStride<T>(keys);
  const std::int64_t row_space = RowSpace<T>(std::max(keys, dim));
  const std::int64_t units = row_space + CeilDivide(rows * stride, kElementsPerUnit<T>);
  const at::Tensor space = EmptyUnits(units * at::get_num_threads());
  // The last queries have most keys: they come first, so that threads end together.
  ForTasks<TileScope<T>>(
      blocks * sequence.heads().heads, sequence.length() * keys * dim,
      [&](std::int64_t task, std::int64_t worker) {
        const std::int64_t head = task % sequence.heads().heads;
        const std::int64_t begin = (blocks - 1 - task / sequence.heads().heads) * rows;
        const QueryRows block = sequence.At(begin, std::min(rows, sequence.length() - begin));
        std::uint32_t* const packed = Data<std::uint32_t>(space) + worker * units;
        const Matrix<T> scores{reinterpret_cast<T*>(packed + row_space), stride};
        const std::int64_t kv_head = head / sequence.group();
        sequence.ByKeys(sequence.Queries(head), packed_keys.At(kv_head), block, scores, packed);
        sequence.Softmax(scores, block, block);
        sequence.ByValues(scores, packed_values.At(kv_head), block, sequence.Head(out, head),
                          packed);
      });
}

}  // namespace

void RecomputedAttention(const CausalHeads& heads, const SequenceRows& rows,
                         const AttentionOperands& operands, const at::Tensor& out) {
  DispatchTiles(operands.qkv, [&](auto tag) {
    using T = decltype(tag);
    Forward<T>(Sequence<T>(heads, rows, operands), out);
  });
}

#endif

}  // namespace lathe::trainer::kernels
