#include "worker/trainer/model/product.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "worker/trainer/kernels/few_row_product.h"
#include "worker/trainer/kernels/low_rank.h"

namespace lathe::trainer::model {
namespace {

bool HasFewRowProduct(const at::Tensor& x, const at::Tensor& weight,
                      const kernels::GemmOptions& options) {
  return kernels::HasFewRowProduct(x, weight) &&
         std::all_of(options.low_rank.begin(), options.low_rank.end(),
                     [](const auto& product) { return product.right.stride(1) == 1; });
}

/// y = y * before + the low-rank products.
void AddLowRank(std::span<const kernels::LowRankProduct> products, const at::Tensor& y,
                double before) {
  for (const kernels::LowRankProduct& product : products) {
    y.narrow(1, product.begin, product.right.size(0))
        .addmm_(product.left, product.right.t(), before, product.scale);
  }
}

/// Whether the low-rank products reach every column.
bool ReachesAll(std::span<const kernels::LowRankProduct> products, std::int64_t columns) {
  for (const kernels::LowRankProduct& product : products) columns -= product.right.size(0);
  return columns == 0;
}

/// By torch. Where they reach everything, small products are written first and the large one is
/// added to them, whose kernel reads them while it computes: the other way round costs another pass
/// over the output.
at::Tensor TorchProduct(const at::Tensor& x, const at::Tensor& weight,
                        const kernels::GemmOptions& options) {
  const at::Tensor& bias = options.bias;
  if (!bias.defined() && ReachesAll(options.low_rank, weight.size(0))) {
    at::Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
    AddLowRank(options.low_rank, y, 0);
    return y.addmm_(x, weight.t());
  }
  at::Tensor y = bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
  AddLowRank(options.low_rank, y, 1);
  return y;
}

void AddByTorch(const kernels::OuterTerm& term) {
  // Results are written in the order in which they lie.
  const bool mirrored = term.gradient.stride(1) != 1;
  const at::Tensor gradient = mirrored ? term.gradient.t() : at::Tensor(term.gradient);
  const at::Tensor left = (mirrored ? term.right : term.left).t();
  const at::Tensor& right = mirrored ? term.left : term.right;
  if (left.scalar_type() == at::kFloat) {
    gradient.addmm_(left, right, 1, term.scale);
  } else if (left.is_cuda()) {
    gradient.add_(at::mm(left, right, at::kFloat), term.scale);
  } else {
    gradient.add_(at::mm(left, right), term.scale);
  }
}

}  // namespace

at::Tensor Product(kernels::PackedRows& x, const at::Tensor& weight,
                   const kernels::GemmOptions& options) {
  if (kernels::HasGemm(x.x())) return kernels::Multiply(x, weight, options);
  if (HasFewRowProduct(x.x(), weight, options)) {
    return kernels::FewRowProduct(x.x(), weight, options);
  }
  return TorchProduct(x.x(), weight, options);
}

at::Tensor Product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  kernels::PackedRows rows(x);
  return Product(rows, weight, {.bias = bias});
}

at::Tensor ProjectRows(kernels::PackedRows& x, std::span<const kernels::Projection> projections) {
  if (kernels::HasGemm(x.x())) return kernels::Project(x, projections);
  if (kernels::HasFusedProjections(x.x(), projections)) {
    return kernels::FusedProjections(x.x(), projections);
  }
  const auto columns = [&](const kernels::Projection& projection) {
    return x.x().narrow(1, projection.first_column, projection.weight.size(1));
  };
  if (projections.size() == 1 && projections[0].scale == 1) {
    return Product(columns(projections[0]), projections[0].weight);
  }
  std::int64_t width = 0;
  for (const kernels::Projection& projection : projections) width += projection.weight.size(0);
  at::Tensor z = at::empty({x.x().size(0), width}, x.x().options());
  std::int64_t column = 0;
  for (const kernels::Projection& projection : projections) {
    at::Tensor part = z.narrow(1, column, projection.weight.size(0));
    at::mm_out(part, columns(projection), projection.weight.t());
    if (projection.scale != 1) part.mul_(projection.scale);
    column += projection.weight.size(0);
  }
  return z;
}

void AddGradients(std::span<const kernels::OuterTerm> terms) {
  if (std::all_of(terms.begin(), terms.end(), kernels::HasOuterProduct)) {
    kernels::AddOuterProducts(terms);
  } else if (kernels::HasFusedOuterProducts(terms)) {
    kernels::AddFusedOuterProducts(terms);
  } else {
    std::for_each(terms.begin(), terms.end(), AddByTorch);
  }
}

void AddGradient(const kernels::OuterTerm& term) {
  AddGradients({&term, 1});
}

}  // namespace lathe::trainer::model
