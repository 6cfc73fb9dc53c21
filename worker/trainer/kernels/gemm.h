#pragma once
// Matrix products of a training pass on a CPU: weights against rows that are used for several
// products, with low-rank products added before a result is rounded and stored. Own kernels, for
// the processors named in gemm.cc; elsewhere HasGemm says no and torch's are to be used. Results do
// not depend on the number of threads, and a row's result not on other rows.

#include <ATen/core/Tensor.h>

#include <span>
#include <utility>
#include <vector>

#include "worker/trainer/kernels/kept_panels.h"

namespace lathe::trainer::kernels {

/// Whether products with this left operand are computed here, and are worth it.
bool HasGemm(const at::Tensor& x);

/// Packed rows (see cpu/tiles.h).
struct RowBlocks {
  const std::uint32_t* data = nullptr;
  std::int64_t stride = 0;  ///< units from one block of rows to the next
};

/// A product of some columns of x with few rows, times scale.
struct Projection {
  at::Tensor weight;              ///< [R, K]; contiguous rows, or contiguous columns
  std::int64_t first_column = 0;  ///< of the K columns of x that take part
  double scale = 1;
};

/// The left operand of products: x [M, K], packed when it is first used.
class PackedRows {
 public:
  /// x has contiguous rows or columns.
  explicit PackedRows(at::Tensor x) : x_(std::move(x)) {}
  const at::Tensor& x() const { return x_; }
  /// Columns begin .. begin + count - 1 of all rows; kept until other columns are asked for.
  RowBlocks Get(std::int64_t begin, std::int64_t count);
  /// Packs x and computes what Project does, but for scales. False, and nothing done, where x is
  /// packed already or not as a whole.
  bool PackWith(std::span<const Projection> projections, const at::Tensor& out);

 private:
  at::Tensor x_;
  at::Tensor packed_;
  std::int64_t begin_ = 0;
  std::int64_t count_ = 0;
};

/// scale * left right^T, added to columns begin .. begin + right.size(0) - 1.
struct LowRankProduct {
  at::Tensor left;   ///< [M, R]; a column slice of a matrix with contiguous rows
  at::Tensor right;  ///< [columns, R]; contiguous rows, or contiguous columns
  std::int64_t begin = 0;
  double scale = 1;
};

struct GemmOptions {
  at::Tensor bias = {};  ///< [N], or undefined
  std::span<const LowRankProduct> low_rank = {};
  std::int64_t first_column = 0;  ///< of x
  KeptPanels* kept = nullptr;     ///< of a weight that never changes
};

/// out [M, N] = x weight^T + bias + low-rank products. weight [N, K] has contiguous rows or
/// columns; K columns of x take part. out is a column slice of a matrix with contiguous rows.
void MultiplyInto(const at::Tensor& out, PackedRows& x, const at::Tensor& weight,
                  const GemmOptions& options = {});
at::Tensor Multiply(PackedRows& x, const at::Tensor& weight, const GemmOptions& options = {});

/// sums [M, N] (fp32, a column slice of a matrix with contiguous rows) += x weight^T, in fp32.
void AddMultiplied(const at::Tensor& sums, PackedRows& x, const at::Tensor& weight);

/// left[i] right[i] for every i: left [B, M, K] and right [B, K, N], each matrix with contiguous
/// rows or columns. By torch where there are no kernels here.
at::Tensor BatchedProduct(const at::Tensor& left, const at::Tensor& right);

/// scale * x[:, columns] weight^T of each projection, side by side [M, sum of R]: computed while x
/// is packed, if it is not yet.
at::Tensor Project(PackedRows& x, std::span<const Projection> projections);

}  // namespace lathe::trainer::kernels
