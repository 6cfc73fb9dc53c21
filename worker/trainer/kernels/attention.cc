#include "worker/trainer/kernels/attention.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <vector>

#include "common/base/check.h"
#include "worker/trainer/kernels/attention_operands.h"
#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/recomputed_attention.h"
#include "worker/trainer/kernels/tasks.h"
#include "worker/trainer/kernels/tile_choice.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

namespace {

/// Queries begin .. begin + rows - 1 of a head, and the keys that they see.
struct QueryBlock {
  std::int64_t begin = 0;
  std::int64_t rows = 0;
  std::int64_t first_key = 0;  ///< where a step begins
  std::int64_t end_key = 0;
};

/// The heads of one sequence that share one head of keys and values.
template <class T>
class HeadGroup {
 public:
  HeadGroup(const CausalHeads& heads, const SequenceRows& rows, std::int64_t kv_head)
      : heads_(heads), rows_(rows), kv_head_(kv_head), group_(heads.heads / heads.kv_heads) {}

  /// Units of space that one group takes at most, forward and backward.
  static std::int64_t SpaceFor(const CausalHeads& heads, std::int64_t length, bool backward) {
    const std::int64_t group = heads.heads / heads.kv_heads;
    const std::int64_t line = kernels::RowSpace<T>(std::max(length, heads.head_dim));
    const std::int64_t keys = ColumnUnits<T>(length, heads.head_dim);
    const std::int64_t values = ColumnUnits<T>(heads.head_dim, length);
    const std::int64_t forward = line + keys + values;
    return backward ? forward + group * (values + line + UnitsOf<T>(length) * length) : forward;
  }

  void Forward(const at::Tensor& qkv, const at::Tensor& out, T* probabilities, Space space) const {
    const std::int64_t length = rows_.length;
    const std::int64_t dim = heads_.head_dim;
    std::uint32_t* const packed = space.Take(RowSpace());
    const Columns keys = PackColumns<T>(Keys(qkv), length, dim, space);
    const Columns values = PackColumnsAcross<T>(Values(qkv), dim, length, space);
    const ScoreMap map{static_cast<float>(heads_.scaling.scale),
                       static_cast<float>(heads_.scaling.cap)};
    ForBlocks([&](std::int64_t head, const QueryBlock& block) {
      const Matrix<T> p{probabilities + (head * length + block.begin) * length, length};
      ByKeys(Block(Queries(qkv, head), block), keys, block, {p, packed});
      for (std::int64_t row = 0; row < block.rows; ++row) {
        const std::int64_t own = block.begin + row;
        Rows<T>().softmax(AsRow(p.Line(row)), {FirstKey(own), own + 1}, length, map);
      }
      ByValues(p, values, block, {Block(Queries(out, head), block), packed});
    });
  }

  /// One group's rows of the tensors of a backward pass.
  struct Gradients {
    const at::Tensor& qkv;
    const at::Tensor& dout;
    const at::Tensor& dqkv;
    T* probabilities = nullptr;
  };

  void Backward(const Gradients& of, Space space) const {
    const std::int64_t length = rows_.length;
    const std::int64_t dim = heads_.head_dim;
    std::uint32_t* const packed = space.Take(RowSpace());
    auto* const dscores = reinterpret_cast<T*>(space.Take(group_ * UnitsOf<T>(length) * length));
    // With a window, blocks of keys read a few scores that no query has computed.
    if (heads_.window > 0) std::fill_n(dscores, group_ * length * length, T{});
    const Space operands = space;
    {
      const Columns values = PackColumns<T>(Values(of.qkv), length, dim, space);
      const Columns keys = PackColumnsAcross<T>(Keys(of.qkv), dim, length, space);
      ForBlocks([&](std::int64_t head, const QueryBlock& block) {
        const std::int64_t offset = (head * length + block.begin) * length;
        const Matrix<T> ds{dscores + offset, length};
        ByKeys(Block(Queries(of.dout, head), block), values, block, {ds, packed});
        SoftmaxBackward(of.probabilities + offset, ds, block);
        ByValues(ds, keys, block, {Block(Queries(of.dqkv, head), block), packed});
      });
    }
    SumOverQueries(dscores, of.qkv, Keys(of.dqkv), operands);
    SumOverQueries(of.probabilities, of.dout, Values(of.dqkv), operands);
  }

 private:
  /// Where a product goes, and memory for its packed rows.
  struct Target {
    Matrix<T> out;
    std::uint32_t* packed = nullptr;
  };

  std::int64_t RowSpace() const {
    return kernels::RowSpace<T>(std::max(rows_.length, heads_.head_dim));
  }
  std::int64_t FirstKey(std::int64_t query) const {
    return heads_.window == 0 ? 0 : std::max<std::int64_t>(0, query - heads_.window + 1);
  }

  /// Of a tensor with queries in front, the group's head `head`.
  Matrix<T> Queries(const at::Tensor& x, std::int64_t head) const {
    return At(x, (kv_head_ * group_ + head) * heads_.head_dim);
  }
  Matrix<T> Keys(const at::Tensor& qkv) const {
    return At(qkv, (heads_.heads + kv_head_) * heads_.head_dim);
  }
  Matrix<T> Values(const at::Tensor& qkv) const {
    return At(qkv, (heads_.heads + heads_.kv_heads + kv_head_) * heads_.head_dim);
  }
  Matrix<T> At(const at::Tensor& x, std::int64_t column) const {
    return {Data<T>(x) + rows_.begin * x.stride(0) + column, x.stride(0)};
  }
  static Matrix<T> Block(const Matrix<T>& x, const QueryBlock& block) {
    return {x.Line(block.begin), x.stride};
  }

  /// Calls body(head of the group, block) for all blocks of queries.
  template <class Body>
  void ForBlocks(const Body& body) const {
    for (std::int64_t head = 0; head < group_; ++head) {
      for (std::int64_t begin = 0; begin < rows_.length; begin += TileRows<T>()) {
        const std::int64_t rows = std::min(TileRows<T>(), rows_.length - begin);
        const std::int64_t first = FirstKey(begin) / ElementsPerStep<T>() * ElementsPerStep<T>();
        body(head, QueryBlock{begin, rows, first, begin + rows});
      }
    }
  }

  /// Rows of head_dim values times those of keys, for all panels with a key that the block sees.
  void ByKeys(const Matrix<T>& x, const Columns& keys, const QueryBlock& block,
              const Target& to) const {
    const std::int64_t dim = heads_.head_dim;
    Tiles<T>().pack_rows({x.data, x.stride, block.rows}, dim, 1, to.packed);
    for (std::int64_t panel = block.first_key / kTileColumns; panel * kTileColumns < block.end_key;
         ++panel) {
      const std::int64_t key = panel * kTileColumns;
      const TileSegment segment{to.packed, keys.Panel(panel), UnitsOf<T>(dim)};
      MultiplySegments<T>({&segment, 1}, {to.out.data + key, to.out.stride}, block.rows,
                          std::min(kTileColumns, rows_.length - key));
    }
  }

  /// Rows of scores times rows of values.
  void ByValues(const Matrix<T>& scores, const Columns& values, const QueryBlock& block,
                const Target& to) const {
    const std::int64_t seen = block.end_key - block.first_key;
    Tiles<T>().pack_rows({scores.data + block.first_key, scores.stride, block.rows}, seen, 1,
                         to.packed);
    for (std::int64_t column = 0; column < heads_.head_dim; column += kTileColumns) {
      const TileSegment segment{to.packed,
                                values.Panel(column / kTileColumns, UnitAt<T>(block.first_key)),
                                UnitsOf<T>(seen)};
      MultiplySegments<T>({&segment, 1}, {to.out.data + column, to.out.stride}, block.rows,
                          std::min(kTileColumns, heads_.head_dim - column));
    }
  }

  /// Over all that ByKeys has written: what is not seen has probability 0.
  void SoftmaxBackward(T* probabilities, const Matrix<T>& ds, const QueryBlock& block) const {
    const std::int64_t begin = block.first_key / kTileColumns * kTileColumns;
    const std::int64_t end =
        std::min(CeilDivide(block.end_key, kTileColumns) * kTileColumns, rows_.length);
    for (std::int64_t row = 0; row < block.rows; ++row) {
      Rows<T>().softmax_backward(AsRow(probabilities + row * rows_.length + begin),
                                 AsRow(ds.Line(row) + begin), end - begin,
                                 static_cast<float>(heads_.scaling.scale));
    }
  }

  /// to [keys, head_dim] = scores^T x, summed over the heads of the group; scores [group * T, T].
  void SumOverQueries(const T* scores, const at::Tensor& x, const Matrix<T>& to,
                      Space space) const {
    const std::int64_t length = rows_.length;
    std::vector<Columns> columns;
    for (std::int64_t head = 0; head < group_; ++head) {
      columns.push_back(PackColumnsAcross<T>(Queries(x, head), heads_.head_dim, length, space));
    }
    std::uint32_t* const packed = space.Take(group_ * RowSpace());
    std::vector<TileSegment> segments(static_cast<std::size_t>(group_));
    for (std::int64_t key = 0; key < length; key += TileRows<T>()) {
      const std::int64_t keys = std::min(TileRows<T>(), length - key);
      const std::int64_t end =
          heads_.window == 0 ? length : std::min(length, key + keys - 1 + heads_.window);
      for (std::int64_t head = 0; head < group_; ++head) {
        std::uint32_t* const rows = packed + head * RowSpace();
        Tiles<T>().pack_rows_across(
            {scores + (head * length + key) * length + key, length, end - key}, keys, rows);
        segments[static_cast<std::size_t>(head)] = {rows, nullptr, UnitsOf<T>(end - key)};
      }
      for (std::int64_t column = 0; column < heads_.head_dim; column += kTileColumns) {
        for (std::size_t head = 0; head < segments.size(); ++head) {
          segments[head].columns = columns[head].Panel(column / kTileColumns, UnitAt<T>(key));
        }
        MultiplySegments<T>(segments, {to.Line(key) + column, to.stride}, keys,
                            std::min(kTileColumns, heads_.head_dim - column));
      }
    }
  }

  const CausalHeads& heads_;
  SequenceRows rows_;
  std::int64_t kv_head_ = 0;
  std::int64_t group_ = 1;
};

/// Longer sequences keep no probabilities.
constexpr std::int64_t kKeptLength = 512;

/// Numbers of sequences.
struct Division {
  std::vector<std::size_t> kept;  ///< whose probabilities are kept
  std::vector<std::size_t> recomputed;
};

Division Divide(const CausalHeads& heads, std::span<const SequenceRows> sequences,
                const AttentionOperands& operands) {
  Division division;
  // The gradient of a capped score needs the score again.
  const bool keeps = operands.prefix == nullptr && heads.scaling.cap == 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const bool kept = keeps && sequences[i].length <= kKeptLength;
    (kept ? division.kept : division.recomputed).push_back(i);
  }
  return division;
}

/// Calls body(sequence, head of keys, space) for those sequences, long ones first.
template <class T, class Body>
void ForGroups(const CausalHeads& heads, std::span<const SequenceRows> sequences,
               std::vector<std::size_t> order, bool backward, const Body& body) {
  if (order.empty()) return;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return sequences[a].length > sequences[b].length;
  });
  const std::int64_t longest = sequences[order.front()].length;
  std::int64_t work = 0;
  for (const std::size_t i : order) {
    work += sequences[i].length * sequences[i].length * heads.heads * heads.head_dim;
  }
  const std::int64_t units = HeadGroup<T>::SpaceFor(heads, longest, backward);
  const at::Tensor space = EmptyUnits(units * at::get_num_threads());
  const auto tasks = static_cast<std::int64_t>(order.size()) * heads.kv_heads;
  ForTasks<TileScope<T>>(tasks, work, [&](std::int64_t task, std::int64_t worker) {
    const std::size_t sequence = order[static_cast<std::size_t>(task / heads.kv_heads)];
    body(sequence, task % heads.kv_heads, Space(Data<std::uint32_t>(space) + worker * units));
  });
}

/// The probabilities of one head of keys.
template <class T>
T* OfHead(const CausalHeads& heads, const at::Tensor& probabilities, std::int64_t kv_head) {
  const std::int64_t length = probabilities.size(2);
  return Data<T>(probabilities) + kv_head * (heads.heads / heads.kv_heads) * length * length;
}

}  // namespace

bool HasCausalAttention(const at::Tensor& qkv) {
  return HasGemm(qkv);
}

void CausalAttention(const CausalHeads& heads, std::span<const SequenceRows> sequences,
                     const AttentionOperands& operands, const at::Tensor& out,
                     std::span<at::Tensor> probabilities) {
  const Division division = Divide(heads, sequences, operands);
  for (const std::size_t i : division.kept) {
    const std::int64_t length = sequences[i].length;
    probabilities[i] = at::empty({heads.kv_heads, heads.heads / heads.kv_heads * length, length},
                                 operands.qkv.options());
  }
  DispatchTiles(operands.qkv, [&](auto tag) {
    using T = decltype(tag);
    ForGroups<T>(heads, sequences, division.kept, false,
                 [&](std::size_t i, std::int64_t kv_head, const Space& space) {
                   HeadGroup<T>(heads, sequences[i], kv_head)
                       .Forward(operands.qkv, out, OfHead<T>(heads, probabilities[i], kv_head),
                                space);
                 });
  });
  for (const std::size_t i : division.recomputed) {
    probabilities[i].reset();
    RecomputedAttention(heads, sequences[i], operands, out);
  }
}

void CausalAttentionBackward(const CausalHeads& heads, std::span<const SequenceRows> sequences,
                             const CausalAttentionTape& tape, const at::Tensor& dout,
                             const at::Tensor& dqkv) {
  const Division division = Divide(heads, sequences, tape.operands);
  DispatchTiles(dqkv, [&](auto tag) {
    using T = decltype(tag);
    ForGroups<T>(heads, sequences, division.kept, true,
                 [&](std::size_t i, std::int64_t kv_head, const Space& space) {
                   HeadGroup<T>(heads, sequences[i], kv_head)
                       .Backward({tape.operands.qkv, dout, dqkv,
                                  OfHead<T>(heads, tape.probabilities[i], kv_head)},
                                 space);
                 });
  });
  for (const std::size_t i : division.recomputed) {
    RecomputedAttentionBackward(heads, sequences[i], tape.operands, dout, dqkv);
  }
}

#else

bool HasCausalAttention(const at::Tensor&) {
  return false;
}
void CausalAttention(const CausalHeads&, std::span<const SequenceRows>, const AttentionOperands&,
                     const at::Tensor&, std::span<at::Tensor>) {
  LATHE_CHECK(false, "no attention of our own on this processor");
}
void CausalAttentionBackward(const CausalHeads&, std::span<const SequenceRows>,
                             const CausalAttentionTape&, const at::Tensor&, const at::Tensor&) {
  LATHE_CHECK(false, "no attention of our own on this processor");
}

#endif

}  // namespace lathe::trainer::kernels
