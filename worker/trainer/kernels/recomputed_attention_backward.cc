#include <ATen/ops/empty.h>

#include <algorithm>
#include <vector>

#include "worker/trainer/kernels/attended_sequence.h"
#include "worker/trainer/kernels/recomputed_attention.h"
#include "worker/trainer/kernels/tasks.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

namespace {

/// Probabilities and their gradients of a chunk of queries stay in the cache that cores share.
constexpr std::int64_t kChunkBytes = std::int64_t{8} << 20;
constexpr std::int64_t kMostChunkQueries = 512;

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
            x.At(head).Panel(column / kTileColumns, UnitAt<T>(sum.begin));
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
