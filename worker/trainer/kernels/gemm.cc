#include "worker/trainer/kernels/gemm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <type_traits>
#include <utility>

#include "common/base/check.h"
#include "worker/trainer/kernels/cpu/tiles.h"

namespace lathe::trainer::kernels {
namespace {

#if defined(__x86_64__)

/// Columns of a packed panel stay in a core's second-level cache while all rows go by.
constexpr std::int64_t kDepthUnits = 3072;

/// Which of a processor's instructions are used is decided once, so that a machine's results are
/// the same in every process. Intel's processors are left to torch: MKL is written for them, and
/// bf16 belongs to their matrix units where they have any.
bool HasFloat32() {
  static const bool has = __builtin_cpu_is("amd") != 0 && __builtin_cpu_supports("x86-64-v4") != 0;
  return has;
}
bool HasBfloat16() {
  static const bool has = __builtin_cpu_supports("x86-64-v4") != 0 &&
                          __builtin_cpu_supports("avx512bf16") != 0 &&
                          __builtin_cpu_supports("amx-bf16") == 0;
  return has;
}

template <class T>
const TileKernels<T>& Tiles();
template <>
const TileKernels<float>& Tiles<float>() {
  return kFloat32Tiles;
}
template <>
const TileKernels<Bfloat16>& Tiles<Bfloat16>() {
  return kBfloat16Tiles;
}

template <class T>
T* Data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

std::int64_t CeilDivide(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}
template <class T>
std::int64_t UnitsOf(std::int64_t depth) {
  return CeilDivide(depth, kElementsPerUnit<T>);
}

at::Tensor EmptyUnits(std::int64_t count) {
  return at::empty({count}, at::kInt);
}

/// Calls body(type tag) for a type that has kernels.
template <class Body>
void Dispatch(const at::Tensor& tensor, const Body& body) {
  if (tensor.scalar_type() == at::kFloat) {
    body(float{});
  } else {
    LATHE_CHECK(tensor.scalar_type() == at::kBFloat16, "products are fp32 or bf16");
    body(Bfloat16{});
  }
}

/// Calls body(task, worker) for every task; whoever is free takes the next one. `work` is about the
/// number of multiplications in all: little is not worth waking threads for.
template <class Body>
void ForTasks(std::int64_t tasks, std::int64_t work, const Body& body) {
  constexpr std::int64_t kLittle = std::int64_t{1} << 21;
  const std::int64_t threads = work < kLittle ? 1 : at::get_num_threads();
  const std::int64_t workers = std::min(tasks, threads);
  std::atomic<std::int64_t> next = 0;
  at::parallel_for(0, workers, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t worker = begin; worker < end; ++worker) {
      while (true) {
        const std::int64_t task = next.fetch_add(1, std::memory_order_relaxed);
        if (task >= tasks) break;
        body(task, worker);
      }
    }
  });
}

/// Work to pack an element, as ForTasks counts it.
constexpr std::int64_t kPackWork = 16;

template <class T>
at::Tensor PackLeft(const at::Tensor& x, double scale) {
  const std::int64_t rows = x.size(0);
  const std::int64_t units = UnitsOf<T>(x.size(1));
  const std::int64_t blocks = CeilDivide(rows, kTileRows);
  // What packing writes beyond a block's end must not reach the next one, which another thread
  // may have packed already.
  at::Tensor packed = EmptyUnits(blocks * (units * kTileRows + kPackSlack));
  auto* to = Data<std::uint32_t>(packed);
  ForTasks(blocks, x.numel() * kPackWork, [&](std::int64_t block, std::int64_t) {
    const std::int64_t row = block * kTileRows;
    const std::int64_t count = std::min(kTileRows, rows - row);
    const T* data = Data<T>(x) + row * x.stride(0);
    std::uint32_t* block_to = to + block * (units * kTileRows + kPackSlack);
    if (x.stride(1) == 1) {
      Tiles<T>().pack_rows({data, x.stride(0), count}, x.size(1), static_cast<float>(scale),
                           block_to);
    } else {
      LATHE_CHECK(x.stride(0) == 1 && scale == 1, "columns lie as they are");
      Tiles<T>().pack_rows_across({data, x.stride(1), x.size(1)}, count, block_to);
    }
  });
  return packed;
}
template <class T>
RowBlocks BlocksOf(const at::Tensor& packed, std::int64_t depth) {
  return {Data<std::uint32_t>(packed), UnitsOf<T>(depth) * kTileRows + kPackSlack};
}

/// Columns of the result that are computed together; a low-rank product reaches all or none.
struct Panel {
  std::int64_t begin = 0;
  std::int64_t columns = 0;
};

std::vector<Panel> Panels(std::int64_t columns, std::span<const LowRankProduct> low_rank) {
  std::vector<std::int64_t> breaks = {0, columns};
  for (const LowRankProduct& product : low_rank) {
    breaks.push_back(product.begin);
    breaks.push_back(product.begin + product.right.size(0));
  }
  std::sort(breaks.begin(), breaks.end());
  std::vector<Panel> panels;
  for (std::size_t i = 1; i < breaks.size(); ++i) {
    for (std::int64_t begin = breaks[i - 1]; begin < breaks[i]; begin += kTileColumns) {
      panels.push_back({begin, std::min(kTileColumns, breaks[i] - begin)});
    }
  }
  return panels;
}

/// Some of the depth of a right operand [columns, depth].
struct Depth {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

template <class T>
void PackPanel(const at::Tensor& right, const Panel& panel, const Depth& depth, std::uint32_t* to) {
  const T* data = Data<T>(right) + panel.begin * right.stride(0) + depth.begin * right.stride(1);
  if (right.stride(1) == 1) {
    Tiles<T>().pack_columns({data, right.stride(0), panel.columns}, depth.count, to);
  } else {
    Tiles<T>().pack_columns_across({data, right.stride(1), depth.count}, panel.columns, to);
  }
}

/// One product, or one part of its depth.
template <class T>
class Gemm {
 public:
  Gemm(const at::Tensor& out, const at::Tensor& weight, const GemmOptions& options)
      : out_(out),
        weight_(weight),
        options_(options),
        panels_(Panels(weight.size(0), options.low_rank)),
        blocks_(CeilDivide(out.size(0), kTileRows)) {
    if (options.bias.defined()) bias_ = options.bias.to(at::kFloat).contiguous();
    for (const LowRankProduct& product : options.low_rank) {
      lefts_.push_back(PackLeft<T>(product.left, product.scale));
      low_rank_units_ += UnitsOf<T>(product.left.size(1));
    }
    // Few panels are divided by rows, too, so that every thread has work.
    const std::int64_t wanted = 2 * at::get_num_threads();
    const auto panels = static_cast<std::int64_t>(panels_.size());
    const std::int64_t shares = std::clamp<std::int64_t>(CeilDivide(wanted, panels), 1, blocks_);
    blocks_a_task_ = CeilDivide(blocks_, shares);
    tasks_a_panel_ = CeilDivide(blocks_, blocks_a_task_);
  }

  void Run(PackedRows& x) {
    const std::int64_t depth = weight_.size(1);
    constexpr std::int64_t kMost = kDepthUnits * kElementsPerUnit<T>;
    if (depth > kMost && !std::is_same_v<T, float>) {
      partial_ = at::empty({out_.size(0), out_.size(1)}, at::kFloat);
    }
    for (std::int64_t begin = 0; begin < depth; begin += kMost) {
      const Depth part{begin, std::min(kMost, depth - begin)};
      RunPart(x.Get(options_.first_column + begin, part.count), part, begin + kMost >= depth);
    }
  }

 private:
  void RunPart(const RowBlocks& rows, const Depth& depth, bool last) {
    const std::int64_t units = UnitsOf<T>(depth.count);
    const std::int64_t panel_units = (units + low_rank_units_) * kTileColumns;
    const at::Tensor space = EmptyUnits(panel_units * at::get_num_threads());
    std::vector<std::int64_t> held(static_cast<std::size_t>(at::get_num_threads()), -1);
    const auto tasks = static_cast<std::int64_t>(panels_.size()) * tasks_a_panel_;
    ForTasks(tasks, out_.numel() * depth.count, [&](std::int64_t task, std::int64_t worker) {
      const std::int64_t index = task / tasks_a_panel_;
      const Panel& panel = panels_[static_cast<std::size_t>(index)];
      std::uint32_t* columns = Data<std::uint32_t>(space) + worker * panel_units;
      if (std::exchange(held[static_cast<std::size_t>(worker)], index) != index) {
        PackPanel<T>(weight_, panel, depth, columns);
        if (last) PackLowRank(panel, columns + units * kTileColumns);
      }
      const std::int64_t begin = task % tasks_a_panel_ * blocks_a_task_;
      const std::int64_t end = std::min(blocks_, begin + blocks_a_task_);
      for (std::int64_t block = begin; block < end; ++block) {
        MultiplyBlock({rows.data + block * rows.stride, columns, units}, panel,
                      {block, depth.begin > 0, last});
      }
    });
  }

  static bool Reaches(const LowRankProduct& product, const Panel& panel) {
    return product.begin <= panel.begin && panel.begin < product.begin + product.right.size(0);
  }

  void PackLowRank(const Panel& panel, std::uint32_t* to) const {
    for (const LowRankProduct& product : options_.low_rank) {
      const std::int64_t rank = product.right.size(1);
      if (!Reaches(product, panel)) continue;
      PackPanel<T>(product.right, {panel.begin - product.begin, panel.columns}, {0, rank}, to);
      to += UnitsOf<T>(rank) * kTileColumns;
    }
  }

  struct Where {
    std::int64_t block = 0;
    bool continues = false;
    bool last = false;
  };

  void MultiplyBlock(const TileSegment& main, const Panel& panel, const Where& where) const {
    std::array<TileSegment, kSegments> segments = {main};
    std::int64_t count = 1;
    const std::uint32_t* columns = main.columns + main.units * kTileColumns;
    for (std::size_t i = 0; where.last && i < lefts_.size(); ++i) {
      const LowRankProduct& product = options_.low_rank[i];
      if (!Reaches(product, panel)) continue;
      const RowBlocks left = BlocksOf<T>(lefts_[i], product.left.size(1));
      const std::int64_t units = UnitsOf<T>(product.left.size(1));
      LATHE_CHECK(count < kSegments, "too many low-rank products in one place");
      segments[static_cast<std::size_t>(count++)] = {left.data + where.block * left.stride, columns,
                                                     units};
      columns += units * kTileColumns;
    }
    const std::int64_t row = where.block * kTileRows;
    const at::Tensor& partial = partial_.defined() ? partial_ : out_;
    TileProduct<T> product;
    product.segments = segments.data();
    product.segment_count = count;
    product.rows = std::min(kTileRows, out_.size(0) - row);
    product.columns = panel.columns;
    if (partial.scalar_type() == at::kFloat) {
      product.partial = Data<float>(partial) + row * partial.stride(0) + panel.begin;
      product.partial_stride = partial.stride(0);
    }
    product.continues = where.continues;
    if (where.last) {
      if (bias_.defined()) product.bias = Data<float>(bias_) + panel.begin;
      product.out = Data<T>(out_) + row * out_.stride(0) + panel.begin;
      product.out_stride = out_.stride(0);
    }
    Tiles<T>().multiply(product);
  }

  static constexpr std::int64_t kSegments = 8;

  const at::Tensor& out_;
  const at::Tensor& weight_;
  const GemmOptions& options_;
  std::vector<Panel> panels_;
  std::int64_t blocks_ = 0;
  std::int64_t blocks_a_task_ = 0;
  std::int64_t tasks_a_panel_ = 0;
  std::int64_t low_rank_units_ = 0;
  std::vector<at::Tensor> lefts_;
  at::Tensor bias_;
  at::Tensor partial_;
};

template <class T>
void AddOuter(const at::Tensor& left, const at::Tensor& right, double scale,
              const at::Tensor& gradient) {
  const std::int64_t rows = left.size(1);
  const std::int64_t parts = CeilDivide(rows, kTileRows);
  const std::int64_t rows_a_part = CeilDivide(rows, parts);
  const std::int64_t stride = UnitsOf<T>(left.size(0)) * kTileRows + kPackSlack;
  const at::Tensor packed = EmptyUnits(parts * stride);
  auto* rows_data = Data<std::uint32_t>(packed);
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t row = part * rows_a_part;
    Tiles<T>().pack_rows_across({Data<T>(left) + row, left.stride(0), left.size(0)},
                                std::min(rows_a_part, rows - row), rows_data + part * stride);
  }
  ForTasks(CeilDivide(right.size(1), kTileColumns), left.numel() * right.size(1),
           [&](std::int64_t panel, std::int64_t) {
             const std::int64_t column = panel * kTileColumns;
             const std::int64_t columns = std::min(kTileColumns, right.size(1) - column);
             for (std::int64_t part = 0; part < parts; ++part) {
               const std::int64_t row = part * rows_a_part;
               const std::int64_t count = std::min(rows_a_part, rows - row);
               std::array<float, kTileRows * kTileColumns> tile;
               Tiles<T>().outer({rows_data + part * stride,
                                 {Data<T>(right) + column, right.stride(0), right.size(0)},
                                 count,
                                 columns,
                                 tile.data()});
               for (std::int64_t r = 0; r < count; ++r) {
                 float* to = Data<float>(gradient) + (row + r) * gradient.stride(0) +
                             column * gradient.stride(1);
                 for (std::int64_t c = 0; c < columns; ++c) {
                   to[c * gradient.stride(1)] +=
                       static_cast<float>(scale) *
                       tile[static_cast<std::size_t>(r * kTileColumns + c)];
                 }
               }
             }
           });
}

#endif

}  // namespace

#if defined(__x86_64__)

bool HasGemm(const at::Tensor& x) {
  // Fewer rows leave the packing of the weight dearer than the product.
  constexpr std::int64_t kRows = 2 * kTileRows;
  if (!x.is_cpu() || x.size(0) < kRows) return false;
  return x.scalar_type() == at::kFloat ? HasFloat32()
                                       : x.scalar_type() == at::kBFloat16 && HasBfloat16();
}

RowBlocks PackedRows::Get(std::int64_t begin, std::int64_t count) {
  RowBlocks result;
  Dispatch(x_, [&](auto tag) {
    using T = decltype(tag);
    // All columns, when that is not much, serve every later product.
    const bool all =
        x_.size(1) <= kDepthUnits * kElementsPerUnit<T> && begin % kElementsPerUnit<T> == 0;
    const std::int64_t first = all ? 0 : begin;
    const std::int64_t columns = all ? x_.size(1) : count;
    if (!packed_.defined() || first != begin_ || columns != count_) {
      packed_ = PackLeft<T>(x_.narrow(1, first, columns), 1);
      begin_ = first;
      count_ = columns;
    }
    result = BlocksOf<T>(packed_, columns);
    result.data += (begin - first) / kElementsPerUnit<T> * kTileRows;
  });
  return result;
}

void MultiplyInto(const at::Tensor& out, PackedRows& x, const at::Tensor& weight,
                  const GemmOptions& options) {
  Dispatch(out, [&](auto tag) { Gemm<decltype(tag)>(out, weight, options).Run(x); });
}

void AddOuterProduct(const at::Tensor& left, const at::Tensor& right, double scale,
                     const at::Tensor& gradient) {
  Dispatch(left, [&](auto tag) { AddOuter<decltype(tag)>(left, right, scale, gradient); });
}

#else

bool HasGemm(const at::Tensor&) {
  return false;
}
RowBlocks PackedRows::Get(std::int64_t, std::int64_t) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}
void MultiplyInto(const at::Tensor&, PackedRows&, const at::Tensor&, const GemmOptions&) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}
void AddOuterProduct(const at::Tensor&, const at::Tensor&, double, const at::Tensor&) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}

#endif

at::Tensor Multiply(PackedRows& x, const at::Tensor& weight, const GemmOptions& options) {
  at::Tensor out = at::empty({x.x().size(0), weight.size(0)}, x.x().options());
  MultiplyInto(out, x, weight, options);
  return out;
}

at::Tensor BatchedProduct(const at::Tensor& left, const at::Tensor& right) {
  if (!HasGemm(left[0])) return at::bmm(left, right);
  at::Tensor out = at::empty({left.size(0), left.size(1), right.size(2)}, left.options());
  for (std::int64_t i = 0; i < left.size(0); ++i) {
    PackedRows rows(left[i]);
    MultiplyInto(out[i], rows, right[i].t());
  }
  return out;
}

}  // namespace lathe::trainer::kernels
