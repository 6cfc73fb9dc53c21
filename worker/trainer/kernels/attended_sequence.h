#pragma once
// Attention of one sequence whose probabilities are computed again in the backward pass: which keys
// a query sees, products of blocks of queries with packed keys and values. Private to this room.

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <algorithm>

#include "worker/trainer/kernels/attention_operands.h"
#include "worker/trainer/kernels/recomputed_attention.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

/// Keys that a task packs.
inline constexpr std::int64_t kKeysATask = 512;

/// Elements from one row of scores to the next: an odd number of cache lines, so that rows do not
/// fall on the same few places of a cache.
template <class T>
std::int64_t ScoreStride(std::int64_t keys) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  return (CeilDivide(CeilDivide(keys, kTileColumns) * kTileColumns, kLine) | 1) * kLine;
}

/// Queries begin .. begin + rows - 1, and the keys that any of them sees, from where a panel
/// begins.
struct QueryRows {
  std::int64_t begin = 0;
  std::int64_t rows = 0;
  std::int64_t first_key = 0;
  std::int64_t end_key = 0;

  std::int64_t keys() const { return end_key - first_key; }
  /// The panels' keys.
  std::int64_t width() const { return CeilDivide(keys(), kTileColumns) * kTileColumns; }
};

/// A sequence's heads, whichever pass.
template <class T>
class Sequence {
 public:
  Sequence(const CausalHeads& heads, const SequenceRows& rows, const AttentionOperands& operands)
      : heads_(heads),
        rows_(rows),
        operands_(operands),
        before_(operands.prefix == nullptr ? 0 : operands.prefix->keys.size(1)) {}

  std::int64_t length() const { return rows_.length; }
  std::int64_t before() const { return before_; }
  std::int64_t keys() const { return before_ + rows_.length; }
  std::int64_t dim() const { return heads_.head_dim; }
  std::int64_t group() const { return heads_.heads / heads_.kv_heads; }
  const CausalHeads& heads() const { return heads_; }
  const KeyPrefix* prefix() const { return operands_.prefix; }
  ScoreMap map() const {
    return {static_cast<float>(heads_.scaling.scale), static_cast<float>(heads_.scaling.cap)};
  }

  std::int64_t FirstKey(std::int64_t query) const {
    return heads_.window == 0 ? 0 : std::max<std::int64_t>(0, before_ + query - heads_.window + 1);
  }
  QueryRows At(std::int64_t begin, std::int64_t rows) const {
    return {begin, rows, FirstKey(begin) / kTileColumns * kTileColumns, before_ + begin + rows};
  }

  /// Rows of a tensor with the queries' heads in front.
  Matrix<T> Head(const at::Tensor& x, std::int64_t head) const {
    return {Data<T>(x) + rows_.begin * x.stride(0) + head * heads_.head_dim, x.stride(0)};
  }
  Matrix<T> Queries(std::int64_t head) const { return Head(operands_.qkv, head); }
  /// The rows of the keys, or of the values, of a tensor like qkv: [length, head_dim].
  at::Tensor OwnKeys(const at::Tensor& qkv, std::int64_t kv_head) const {
    return qkv.narrow(0, rows_.begin, rows_.length)
        .narrow(1, (heads_.heads + kv_head) * heads_.head_dim, heads_.head_dim);
  }
  at::Tensor OwnValues(const at::Tensor& qkv, std::int64_t kv_head) const {
    return OwnKeys(qkv, heads_.kv_heads + kv_head);
  }
  /// With those in front: [keys, head_dim].
  at::Tensor Keys(std::int64_t kv_head) const {
    const at::Tensor own = OwnKeys(operands_.qkv, kv_head);
    return prefix() == nullptr ? own : at::cat({prefix()->keys[kv_head], own});
  }
  at::Tensor Values(std::int64_t kv_head) const {
    const at::Tensor own = OwnValues(operands_.qkv, kv_head);
    return prefix() == nullptr ? own : at::cat({prefix()->values[kv_head], own});
  }

  /// Scores of a head's queries, or of gradients: x keys^T for all panels. out's first column is
  /// the first key of `seen`.
  void ByKeys(const Matrix<T>& x, const Columns& keys, const QueryRows& seen, const Matrix<T>& out,
              std::uint32_t* packed) const {
    Tiles<T>().pack_rows({x.Line(seen.begin), x.stride, seen.rows}, dim(), 1, packed);
    const std::int64_t units = UnitsOf<T>(dim());
    for (std::int64_t column = 0; column < seen.keys(); column += kTileColumns) {
      const TileSegment segment{packed, keys.Panel((seen.first_key + column) / kTileColumns),
                                units};
      MultiplySegments<T>({&segment, 1}, {out.data + column, out.stride}, seen.rows, kTileColumns);
    }
  }

  /// out = scores values, where scores' first column is the first key of `seen`.
  void ByValues(const Matrix<T>& scores, const Columns& values, const QueryRows& seen,
                const Matrix<T>& out, std::uint32_t* packed) const {
    Tiles<T>().pack_rows({scores.data, scores.stride, seen.rows}, seen.keys(), 1, packed);
    const std::int64_t unit = UnitAt<T>(seen.first_key);
    for (std::int64_t column = 0; column < dim(); column += kTileColumns) {
      const TileSegment segment{packed, values.Panel(column / kTileColumns, unit),
                                UnitsOf<T>(seen.keys())};
      MultiplySegments<T>({&segment, 1}, {out.Line(seen.begin) + column, out.stride}, seen.rows,
                          std::min(kTileColumns, dim() - column));
    }
  }

  /// In place: probabilities of `width` keys from the first one of `chunk`; what is not seen has 0.
  void Softmax(const Matrix<T>& scores, const QueryRows& block, const QueryRows& chunk) const {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const std::int64_t query = block.begin + row;
      Rows<T>().softmax(AsRow(scores.Line(row)),
                        {FirstKey(query) - chunk.first_key, before_ + query + 1 - chunk.first_key},
                        chunk.width(), map());
    }
  }

 private:
  const CausalHeads& heads_;
  SequenceRows rows_;
  const AttentionOperands& operands_;
  std::int64_t before_ = 0;
};

template <class T>
Lines<T> LinesOf(const at::Tensor& rows) {
  return {Data<T>(rows), rows.stride(0), rows.size(0)};
}

/// The lines of some heads, packed by all threads.
template <class T>
class PackedKeys {
 public:
  enum class Order : std::uint8_t { kColumns, kAcross };

  /// For `heads` lists of at most `count` lines of `dim` values.
  PackedKeys(Order order, std::int64_t heads, std::int64_t count, std::int64_t dim)
      : order_(order), count_(count), dim_(dim) {
    units_ = order == Order::kColumns ? ColumnUnits<T>(count, dim) : ColumnUnits<T>(dim, count);
    packed_ = EmptyUnits(units_ * heads);
  }

  std::int64_t tasks() const { return CeilDivide(count_, kKeysATask); }

  /// The task's part of a head's lines.
  void Pack(const Lines<T>& lines, std::int64_t head, std::int64_t task) const {
    const Matrix<const T> from{lines.data, lines.stride};
    const WritableColumns to = At(head);
    const std::int64_t begin = task * kKeysATask;
    const std::int64_t end = std::min(lines.count, begin + kKeysATask);
    if (order_ == Order::kAcross) {
      for (std::int64_t column = 0; column < dim_; column += kTileColumns) {
        Tiles<T>().pack_columns_across({from.Line(begin) + column, from.stride, end - begin},
                                       std::min(kTileColumns, dim_ - column),
                                       to.Panel(column / kTileColumns, UnitAt<T>(begin)));
      }
      return;
    }
    for (std::int64_t key = begin; key < end; key += kTileColumns) {
      Tiles<T>().pack_columns({from.Line(key), from.stride, std::min(kTileColumns, end - key)},
                              dim_, to.Panel(key / kTileColumns));
    }
  }

  WritableColumns At(std::int64_t head) const {
    return {Data<std::uint32_t>(packed_) + head * units_,
            UnitsOf<T>(order_ == Order::kColumns ? dim_ : count_)};
  }

 private:
  Order order_;
  std::int64_t count_ = 0;
  std::int64_t dim_ = 0;
  std::int64_t units_ = 0;
  at::Tensor packed_;
};

#endif

}  // namespace lathe::trainer::kernels
