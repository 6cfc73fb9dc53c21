#include "worker/trainer/quantization/stored_product_cuda.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <vector>

#include "common/base/check.h"
#include "worker/trainer/kernels/cuda/tensor.h"
#include "worker/trainer/quantization/four_bit_weight.h"

namespace lathe::trainer::quantization {

namespace cuda = kernels::cuda;

namespace {

bool LiesOn(const at::Tensor& tensor, std::int64_t bytes) {
  return reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % static_cast<std::uintptr_t>(bytes) ==
         0;
}

bool IsReadInSteps(const QuantizedMatrix& matrix) {
  return matrix.columns % cuda::kStoredStep == 0 && LiesOn(matrix.codes, cuda::kStoredStep);
}

bool FitsFewRows(const at::Tensor& x) {
  return x.size(0) <= cuda::kMostRows && x.is_contiguous() && LiesOn(x, cuda::kFewRowsAlignment);
}

bool FitsTiles(const at::Tensor& x) {
  return x.scalar_type() != at::kFloat && x.size(0) <= kMostStoredRows && x.stride(1) == 1 &&
         x.stride(0) % cuda::kTilesStep == 0 && LiesOn(x, cuda::kTilesAlignment);
}

cuda::Addition AdditionOf(const Added& added, const at::Tensor& x) {
  cuda::Addition addition{};
  if (added.bias.defined()) {
    LATHE_CHECK(added.bias.scalar_type() == x.scalar_type() && added.bias.is_contiguous(),
                "a bias is of the type of what it is added to");
    addition.bias = added.bias.data_ptr();
  }
  if (!added.left.defined()) return addition;
  LATHE_CHECK(added.left.scalar_type() == x.scalar_type() && added.left.stride(1) == 1 &&
                  added.right.scalar_type() == x.scalar_type(),
              "low-rank matrices are of the type of what they are added to");
  addition.left = added.left.data_ptr();
  addition.left_stride = added.left.stride(0);
  addition.right = added.right.data_ptr();
  addition.right_stride = added.right.stride(0);
  addition.right_step = added.right.stride(1);
  addition.rank = added.left.size(1);
  addition.scale = static_cast<float>(added.scale);
  return addition;
}

/// Queues either kernel for the weight that there is. Call is FewRowsCall or TilesCall.
template <class Call>
void Queue(const QuantizedMatrix& matrix, const at::Tensor& x, const Call& call,
           void (*four_bit)(const Call&, const cuda::FourBitWeight&, void*),
           void (*int8)(const Call&, const std::int8_t*, const float*, void*)) {
  const c10::DeviceGuard guard(x.device());
  if (matrix.type == QuantizationType::kInt8) {
    int8(call, cuda::Pointer<std::int8_t>(matrix.codes), cuda::Pointer<float>(matrix.absmax),
         cuda::StreamOf(x));
  } else {
    four_bit(call, FourBitWeightOf(matrix), cuda::StreamOf(x));
  }
  cuda::CheckLaunch();
}

void MultiplyFewRows(const QuantizedMatrix& matrix, const at::Tensor& x, const Added& added,
                     at::Tensor& y) {
  const cuda::FewRowsCall call{.element = cuda::ElementOf(x),
                               .rows = x.size(0),
                               .in = matrix.columns,
                               .out = matrix.rows,
                               .x = x.data_ptr(),
                               .addition = AdditionOf(added, x),
                               .y = y.data_ptr(),
                               .y_stride = y.stride(0)};
  Queue(matrix, x, call, &cuda::MultiplyFourBit, &cuda::MultiplyInt8);
}

/// What one matrix adds to a product.
struct Term {
  const QuantizedMatrix* matrix;
  bool through;
  at::Tensor x;
  cuda::Addition addition;  ///< its low-rank product
  std::int64_t splits;

  std::int64_t columns() const { return through ? matrix->columns : matrix->rows; }
};

Term MakeTerm(const QuantizedMatrix& matrix, bool through, const at::Tensor& x) {
  const std::int64_t depth = through ? matrix.rows : matrix.columns;
  const std::int64_t columns = through ? matrix.columns : matrix.rows;
  return {&matrix, through, x, {}, cuda::SplitsFor(x.size(0), depth, columns)};
}

void MultiplyTerm(const Term& term, float* partial, void* y, std::int64_t y_stride) {
  const cuda::TilesCall call{.element = cuda::ElementOf(term.x),
                             .through = term.through,
                             .rows = term.x.size(0),
                             .depth = term.x.size(1),
                             .columns = term.columns(),
                             .x = term.x.data_ptr(),
                             .x_stride = term.x.stride(0),
                             .addition = term.addition,
                             .splits = term.splits,
                             .partial = partial,
                             .y = y,
                             .y_stride = y_stride};
  Queue(*term.matrix, term.x, call, &cuda::MultiplyFourBitTiles, &cuda::MultiplyInt8Tiles);
}

/// y = the sum of the terms + bias. Where there is more than one part of a sum, all are written in
/// fp32 and added up in their order.
void SumTerms(const std::vector<Term>& terms, const void* bias, at::Tensor& y) {
  std::int64_t parts = 0;
  for (const Term& term : terms) parts += term.splits;
  if (parts == 1) return MultiplyTerm(terms[0], nullptr, y.data_ptr(), y.stride(0));
  const at::Tensor partial =
      at::empty({parts, y.size(0), y.size(1)}, y.options().dtype(at::kFloat));
  std::int64_t part = 0;
  for (const Term& term : terms) {
    MultiplyTerm(term, cuda::Pointer<float>(partial) + part * y.size(0) * y.size(1), nullptr, 0);
    part += term.splits;
  }
  const cuda::PartialsCall call{.element = cuda::ElementOf(y),
                                .count = parts,
                                .rows = y.size(0),
                                .columns = y.size(1),
                                .partial = cuda::Pointer<float>(partial),
                                .bias = bias,
                                .y = y.data_ptr(),
                                .y_stride = y.stride(0)};
  cuda::Enqueue(y, &cuda::AddPartials, call);
}

}  // namespace

bool FitsStoredKernels(const QuantizedMatrix& matrix, const at::Tensor& x) {
  return x.size(0) > 0 && IsReadInSteps(matrix) && (FitsFewRows(x) || FitsTiles(x));
}

void MultiplyStoredByKernels(const QuantizedMatrix& matrix, const at::Tensor& x, const Added& added,
                             at::Tensor& y) {
  if (FitsFewRows(x)) return MultiplyFewRows(matrix, x, added, y);
  Term term = MakeTerm(matrix, false, x);
  term.addition = AdditionOf(added, x);
  SumTerms({term}, term.addition.bias, y);
}

bool FitsThroughStoredKernels(std::span<const QuantizedMatrix> parts, const at::Tensor& dy) {
  return dy.size(0) > 0 && FitsTiles(dy) &&
         std::all_of(parts.begin(), parts.end(), [](const QuantizedMatrix& part) {
           return IsReadInSteps(part) && part.rows % cuda::kTilesStep == 0;
         });
}

at::Tensor MultiplyThroughStoredByKernels(std::span<const QuantizedMatrix> parts,
                                          const at::Tensor& dy, const Added& added) {
  std::vector<Term> terms;
  std::int64_t column = 0;
  for (const QuantizedMatrix& part : parts) {
    terms.push_back(MakeTerm(part, true, dy.narrow(1, column, part.rows)));
    column += part.rows;
  }
  LATHE_CHECK(column == dy.size(1), "the parts are all of the weight");
  terms[0].addition = AdditionOf(added, dy);
  at::Tensor dx = at::empty({dy.size(0), parts[0].columns}, dy.options());
  SumTerms(terms, terms[0].addition.bias, dx);
  return dx;
}

}  // namespace lathe::trainer::quantization
