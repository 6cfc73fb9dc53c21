#include "worker/trainer/kernels/cuda/low_rank_cuda.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "worker/trainer/kernels/cuda/low_rank_launch.h"
#include "worker/trainer/kernels/cuda/tensor.h"

namespace lathe::trainer::kernels::cuda {
namespace {

/// Each kMostNarrow columns of what is narrow read the wide operand once more, and products become
/// worth a kernel that is made for arithmetic.
constexpr std::int64_t kMostRank = 3 * kMostNarrow;
constexpr std::int64_t kWideStep = 8;  ///< 16-bit values of 16 bytes

bool HasRows(const at::Tensor& x) {
  return x.stride(1) == 1 || x.size(1) == 1;
}

bool IsWide(const at::Tensor& x) {
  const auto address = reinterpret_cast<std::uintptr_t>(x.data_ptr());
  return (x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf) && x.stride(1) == 1 &&
         address % (2 * kWideStep) == 0 && x.stride(0) % kWideStep == 0 &&
         x.size(1) % kWideStep == 0;
}

/// Calls that what is narrow is divided into, so that none has more than kMostNarrow columns.
std::int64_t PartsOf(std::int64_t rank) {
  return (rank + kMostNarrow - 1) / kMostNarrow;
}

MatrixView View(const at::Tensor& x) {
  return {x.data_ptr(), x.size(0), x.size(1), x.stride(0)};
}

at::Tensor Workspace(std::int64_t floats, const at::Tensor& like) {
  return floats == 0 ? at::Tensor() : at::empty({floats}, like.options().dtype(at::kFloat));
}

/// Whether all weights lie in contiguous columns, as [K, R]; otherwise all lie in rows.
bool Transposed(std::span<const Projection> projections) {
  return std::all_of(projections.begin(), projections.end(),
                     [](const auto& p) { return HasRows(p.weight.t()); });
}

/// The term whose left operand is the narrower one.
OuterTerm Narrowed(const OuterTerm& term) {
  if (term.left.size(1) <= term.right.size(1)) return term;
  return {term.right, term.left, term.scale, term.gradient.t()};
}

}  // namespace

bool Fits(const at::Tensor& x, std::span<const Projection> projections) {
  std::int64_t parts = 0;
  const bool transposed = Transposed(projections);
  for (const auto& [weight, first_column, scale] : projections) {
    if (weight.size(0) > kMostRank || weight.scalar_type() != x.scalar_type() ||
        !(transposed || HasRows(weight)) || !IsWide(x.narrow(1, first_column, weight.size(1)))) {
      return false;
    }
    parts += PartsOf(weight.size(0));
  }
  return parts > 0 && parts <= kMostParts;
}

at::Tensor Project(const at::Tensor& x, std::span<const Projection> projections) {
  ProjectCall call{};
  call.element = ElementOf(x);
  call.transposed = Transposed(projections);
  call.rows = x.size(0);
  for (const Projection& projection : projections) {
    const std::int64_t rank = projection.weight.size(0);
    const at::Tensor columns = x.narrow(1, projection.first_column, projection.weight.size(1));
    for (std::int64_t begin = 0; begin < rank; begin += kMostNarrow) {
      const at::Tensor rows =
          projection.weight.narrow(0, begin, std::min(kMostNarrow, rank - begin));
      call.parts[call.count++] = {View(columns), View(call.transposed ? rows.t() : rows),
                                  static_cast<float>(projection.scale), call.width};
      call.width += rows.size(0);
    }
  }
  at::Tensor z = at::empty({call.rows, call.width}, x.options());
  const at::Tensor workspace = Workspace(ProjectWorkspace(call), x);
  call.z = z.data_ptr();
  call.workspace = Pointer<float>(workspace);
  Enqueue(x, &Project, call);
  return z;
}

bool Fits(std::span<const OuterTerm> terms) {
  std::int64_t parts = 0;
  for (const OuterTerm& any : terms) {
    const OuterTerm term = Narrowed(any);
    const at::Tensor& first = terms.front().left;
    if (term.left.size(1) > kMostRank || term.left.scalar_type() != first.scalar_type() ||
        term.right.scalar_type() != first.scalar_type() || !HasRows(term.left) ||
        !IsWide(term.right) || term.left.size(0) != first.size(0)) {
      return false;
    }
    parts += PartsOf(term.left.size(1));
  }
  return parts > 0 && parts <= kMostParts;
}

void AddOuterProducts(std::span<const OuterTerm> terms) {
  const at::Tensor& first = terms.front().left;
  OuterCall call{};
  call.element = ElementOf(first);
  call.rows = first.size(0);
  for (const OuterTerm& any : terms) {
    const auto [left, right, scale, gradient] = Narrowed(any);
    for (std::int64_t begin = 0; begin < left.size(1); begin += kMostNarrow) {
      const std::int64_t count = std::min(kMostNarrow, left.size(1) - begin);
      call.parts[call.count++] = {View(left.narrow(1, begin, count)),
                                  View(right),
                                  static_cast<float>(scale),
                                  Pointer<float>(gradient.narrow(0, begin, count)),
                                  gradient.stride(0),
                                  gradient.stride(1)};
    }
  }
  const at::Tensor workspace = Workspace(OuterWorkspace(call), first);
  call.workspace = Pointer<float>(workspace);
  Enqueue(first, &AddOuterProducts, call);
}

}  // namespace lathe::trainer::kernels::cuda
