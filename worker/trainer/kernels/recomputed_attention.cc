#include "worker/trainer/kernels/recomputed_attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

#include "worker/trainer/kernels/attention_operands.h"
#include "worker/trainer/kernels/tasks.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

namespace {

/// Probabilities and their gradients of a chunk of queries stay in the cache that cores share.
constexpr std::int64_t kChunkBytes = std::int64_t{8} << 20;
constexpr std::int64_t kMostChunkQueries = 512;
/// Keys that a task packs.
constexpr std::int64_t kKeysATask = 512;

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
    const std::int64_t unit = seen.first_key / kElementsPerUnit<T>;
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
    const Columns to = At(head);
    const std::int64_t begin = task * kKeysATask;
    const std::int64_t end = std::min(lines.count, begin + kKeysATask);
    if (order_ == Order::kAcross) {
      for (std::int64_t column = 0; column < dim_; column += kTileColumns) {
        Tiles<T>().pack_columns_across({from.Line(begin) + column, from.stride, end - begin},
                                       std::min(kTileColumns, dim_ - column),
                                       const_cast<std::uint32_t*>(to.Panel(
                                           column / kTileColumns, begin / kElementsPerUnit<T>)));
      }
      return;
    }
    for (std::int64_t key = begin; key < end; key += kTileColumns) {
      Tiles<T>().pack_columns({from.Line(key), from.stride, std::min(kTileColumns, end - key)},
                              dim_, const_cast<std::uint32_t*>(to.Panel(key / kTileColumns)));
    }
  }

  Columns At(std::int64_t head) const {
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

/// The backward pass of the queries that share a head of keys. Queries go by in chunks; in each,
/// threads first take blocks of queries, then blocks of keys, whose gradients are summed chunk by
/// chunk.
template <class T>
class Backward {
 public:
  using Order = typename PackedKeys<T>::Order;

  Backward(const Sequence<T>& sequence, const at::Tensor& dout, const at::Tensor& dqkv)
      : sequence_(sequence),
        dout_(dout),
        dqkv_(dqkv),
        keys_(Order::kColumns, 1, sequence.keys(), sequence.dim()),
        keys_across_(Order::kAcross, 1, sequence.keys(), sequence.dim()),
        values_(Order::kColumns, 1, sequence.keys(), sequence.dim()),
        most_queries_(MostQueries(sequence)),
        stride_(ScoreStride<T>(MostKeys(sequence, most_queries_) + kTileColumns)),
        probabilities_(Scores()),
        dscores_(Scores()),
        queries_(Order::kAcross, sequence.group(), most_queries_, sequence.dim()),
        douts_(Order::kAcross, sequence.group(), most_queries_, sequence.dim()),
        row_units_(RowSpace<T>(std::max(sequence.keys(), sequence.dim()))),
        worker_units_(sequence.group() * row_units_ +
                      (Capped() ? CeilDivide(TileRows<T>() * stride_, kElementsPerUnit<T>) : 0)),
        space_(EmptyUnits(worker_units_ * at::get_num_threads())),
        dkeys_(at::empty({sequence.keys(), sequence.dim()}, at::kFloat)),
        dvalues_(at::empty({sequence.keys(), sequence.dim()}, at::kFloat)) {}

  void Run(std::int64_t kv_head) {
    PackAll(kv_head);
    dkeys_.zero_();
    dvalues_.zero_();
    for (std::int64_t begin = 0; begin < sequence_.length(); begin += most_queries_) {
      const QueryRows chunk =
          sequence_.At(begin, std::min(most_queries_, sequence_.length() - begin));
      ForQueries(kv_head, chunk);
      ForKeys(chunk);
    }
    const std::int64_t before = sequence_.before();
    sequence_.OwnKeys(dqkv_, kv_head).copy_(dkeys_.narrow(0, before, sequence_.length()));
    sequence_.OwnValues(dqkv_, kv_head).copy_(dvalues_.narrow(0, before, sequence_.length()));
    if (const KeyPrefix* const prefix = sequence_.prefix()) {
      prefix->key_gradient[kv_head].add_(dkeys_.narrow(0, 0, before));
      prefix->value_gradient[kv_head].add_(dvalues_.narrow(0, 0, before));
    }
  }

 private:
  static std::int64_t MostKeys(const Sequence<T>& sequence, std::int64_t queries) {
    const std::int64_t window = sequence.heads().window;
    return window == 0 ? sequence.keys() : std::min(sequence.keys(), window + queries);
  }
  /// Whole blocks of queries, as many as fit.
  static std::int64_t MostQueries(const Sequence<T>& sequence) {
    const std::int64_t bytes = 2 * static_cast<std::int64_t>(sizeof(T)) * sequence.group() *
                               MostKeys(sequence, kMostChunkQueries);
    const std::int64_t most = std::min({kChunkBytes / bytes, kMostChunkQueries, sequence.length()});
    return std::max<std::int64_t>(1, most / TileRows<T>()) * TileRows<T>();
  }
  at::Tensor Scores() const {
    return EmptyUnits(CeilDivide(sequence_.group() * most_queries_ * stride_, kElementsPerUnit<T>));
  }
  bool Capped() const { return sequence_.heads().scaling.cap > 0; }

  void PackAll(std::int64_t kv_head) const {
    const at::Tensor keys = sequence_.Keys(kv_head);
    const at::Tensor values = sequence_.Values(kv_head);
    ForTasks(keys_.tasks() * 3, keys.numel() * 3, [&](std::int64_t task, std::int64_t) {
      if (task % 3 == 0) keys_.Pack(LinesOf<T>(keys), 0, task / 3);
      if (task % 3 == 1) keys_across_.Pack(LinesOf<T>(keys), 0, task / 3);
      if (task % 3 == 2) values_.Pack(LinesOf<T>(values), 0, task / 3);
    });
  }

  /// The chunk's rows of one head within a list of scores.
  Matrix<T> ScoresOf(const at::Tensor& scores, std::int64_t head) const {
    return {Data<T>(scores) + head * most_queries_ * stride_, stride_};
  }

  /// Probabilities and gradients of scores of the chunk, and gradients of its queries. Beside that
  /// its queries and the gradients of what they got are packed for the other half.
  void ForQueries(std::int64_t kv_head, const QueryRows& chunk) const {
    const std::int64_t group = sequence_.group();
    const std::int64_t blocks = CeilDivide(chunk.rows, TileRows<T>());
    const std::int64_t work = chunk.rows * chunk.keys() * sequence_.dim() * group;
    ForTasks<TileScope<T>>(group * (blocks + 1), work, [&](std::int64_t task, std::int64_t worker) {
      const std::int64_t head = task % group;
      const std::int64_t index = task / group;
      const std::int64_t of_all = kv_head * group + head;
      if (index == blocks) return PackChunk(of_all, head, chunk);
      const std::int64_t row = index * TileRows<T>();
      ForBlock({of_all, head}, chunk,
               sequence_.At(chunk.begin + row, std::min(TileRows<T>(), chunk.rows - row)),
               Data<std::uint32_t>(space_) + worker * worker_units_);
    });
  }

  void PackChunk(std::int64_t of_all, std::int64_t head, const QueryRows& chunk) const {
    const auto pack = [&](const PackedKeys<T>& to, const Matrix<T>& x) {
      to.Pack({x.Line(chunk.begin), x.stride, chunk.rows}, head, 0);
    };
    pack(queries_, sequence_.Queries(of_all));
    pack(douts_, sequence_.Head(dout_, of_all));
  }

  struct HeadNumber {
    std::int64_t of_all = 0;
    std::int64_t of_group = 0;
  };

  void ForBlock(const HeadNumber& head, const QueryRows& chunk, const QueryRows& block,
                std::uint32_t* packed) const {
    const std::int64_t row = block.begin - chunk.begin;
    const std::int64_t skipped = block.first_key - chunk.first_key;
    const Matrix<T> p{ScoresOf(probabilities_, head.of_group).Line(row), stride_};
    const Matrix<T> ds{ScoresOf(dscores_, head.of_group).Line(row), stride_};
    const Matrix<T> seen_p{p.data + skipped, stride_};
    const Matrix<T> seen_ds{ds.data + skipped, stride_};
    const Matrix<T> raw{reinterpret_cast<T*>(packed + sequence_.group() * row_units_), stride_};

    sequence_.ByKeys(sequence_.Queries(head.of_all), keys_.At(0), block, seen_p, packed);
    for (std::int64_t i = 0; Capped() && i < block.rows; ++i) {
      std::copy_n(seen_p.Line(i), block.width(), raw.Line(i));
    }
    sequence_.Softmax(p, block, chunk);
    sequence_.ByKeys(sequence_.Head(dout_, head.of_all), values_.At(0), block, seen_ds, packed);
    for (std::int64_t i = 0; i < block.rows; ++i) {
      std::fill_n(ds.Line(i), skipped, T{});
      std::fill(seen_ds.Line(i) + block.width(), ds.Line(i) + chunk.width(), T{});
      Rows<T>().softmax_backward(AsRow(seen_p.Line(i)), AsRow(seen_ds.Line(i)), block.width(),
                                 sequence_.map().scale);
      if (!Capped()) continue;
      Rows<T>().soft_cap_backward(AsRow(raw.Line(i)), AsRow(seen_ds.Line(i)), block.width(),
                                  sequence_.map());
    }
    sequence_.ByValues(seen_ds, keys_across_.At(0), block, sequence_.Head(dqkv_, head.of_all),
                       packed);
  }

  /// Adds what the chunk's queries give to the gradients of keys and values.
  void ForKeys(const QueryRows& chunk) const {
    const std::int64_t tiles = CeilDivide(chunk.keys(), TileRows<T>());
    const std::int64_t work = chunk.rows * chunk.keys() * sequence_.dim() * sequence_.group();
    ForTasks<TileScope<T>>(tiles, work, [&](std::int64_t tile, std::int64_t worker) {
      const std::int64_t key = chunk.first_key + tile * TileRows<T>();
      const std::int64_t keys = std::min(TileRows<T>(), chunk.end_key - key);
      // Query 0 of the chunk is the key at this place.
      const std::int64_t first = sequence_.before() + chunk.begin;
      const std::int64_t window = sequence_.heads().window;
      const std::int64_t begin = std::max<std::int64_t>(0, key - first);
      const std::int64_t end =
          window == 0 ? chunk.rows : std::min(chunk.rows, key + keys - 1 + window - first);
      if (end <= begin) return;
      const Sum sum{key, keys, begin / ElementsPerStep<T>() * ElementsPerStep<T>(), end,
                    Data<std::uint32_t>(space_) + worker * worker_units_};
      AddProducts(ScoresOf(probabilities_, 0).data + key - chunk.first_key, douts_, sum, dvalues_);
      AddProducts(ScoresOf(dscores_, 0).data + key - chunk.first_key, queries_, sum, dkeys_);
    });
  }

  /// Over the chunk's queries begin .. end - 1 of all heads, for keys key .. key + keys - 1.
  struct Sum {
    std::int64_t key = 0;
    std::int64_t keys = 0;
    std::int64_t begin = 0;
    std::int64_t end = 0;
    std::uint32_t* packed = nullptr;
  };

  /// Adds scores^T x. scores: the keys' columns of all heads.
  void AddProducts(const T* scores, const PackedKeys<T>& x, const Sum& sum,
                   const at::Tensor& to) const {
    const std::int64_t units = UnitsOf<T>(sum.end - sum.begin);
    std::vector<TileSegment> segments;
    for (std::int64_t head = 0; head < sequence_.group(); ++head) {
      std::uint32_t* const rows = sum.packed + head * row_units_;
      Tiles<T>().pack_rows_across(
          {scores + (head * most_queries_ + sum.begin) * stride_, stride_, sum.end - sum.begin},
          sum.keys, rows);
      segments.push_back({rows, nullptr, units});
    }
    for (std::int64_t column = 0; column < sequence_.dim(); column += kTileColumns) {
      for (std::int64_t head = 0; head < sequence_.group(); ++head) {
        segments[static_cast<std::size_t>(head)].columns =
            x.At(head).Panel(column / kTileColumns, sum.begin / kElementsPerUnit<T>);
      }
      TileProduct<T> product;
      product.segments = segments.data();
      product.segment_count = sequence_.group();
      product.rows = sum.keys;
      product.columns = std::min(kTileColumns, sequence_.dim() - column);
      product.partial = Data<float>(to) + sum.key * sequence_.dim() + column;
      product.partial_stride = sequence_.dim();
      product.continues = true;
      Tiles<T>().multiply(product);
    }
  }

  const Sequence<T>& sequence_;
  const at::Tensor& dout_;
  const at::Tensor& dqkv_;
  PackedKeys<T> keys_;
  PackedKeys<T> keys_across_;
  PackedKeys<T> values_;
  std::int64_t most_queries_ = 0;
  std::int64_t stride_ = 0;  ///< of scores
  at::Tensor probabilities_;
  at::Tensor dscores_;
  PackedKeys<T> queries_;
  PackedKeys<T> douts_;
  std::int64_t row_units_ = 0;
  std::int64_t worker_units_ = 0;
  at::Tensor space_;
  at::Tensor dkeys_;
  at::Tensor dvalues_;
};

}  // namespace

void RecomputedAttention(const CausalHeads& heads, const SequenceRows& rows,
                         const AttentionOperands& operands, const at::Tensor& out) {
  DispatchTiles(operands.qkv, [&](auto tag) {
    using T = decltype(tag);
    Forward<T>(Sequence<T>(heads, rows, operands), out);
  });
}

void RecomputedAttentionBackward(const CausalHeads& heads, const SequenceRows& rows,
                                 const AttentionOperands& operands, const at::Tensor& dout,
                                 const at::Tensor& dqkv) {
  DispatchTiles(dqkv, [&](auto tag) {
    using T = decltype(tag);
    const Sequence<T> sequence(heads, rows, operands);
    Backward<T> backward(sequence, dout, dqkv);
    for (std::int64_t head = 0; head < heads.kv_heads; ++head) backward.Run(head);
  });
}

#endif

}  // namespace lathe::trainer::kernels
