#include "worker/trainer/model/product.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include "worker/trainer/kernels/few_row_product.h"
#include "worker/trainer/kernels/gemm.h"

namespace lathe::trainer::model {

at::Tensor Product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (kernels::HasGemm(x)) {
    kernels::PackedRows rows(x);
    return kernels::Multiply(rows, weight, {.bias = bias});
  }
  if (kernels::HasFewRowProduct(x, weight)) {
    return kernels::FewRowProduct(x, weight, {.bias = bias});
  }
  return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
}

}  // namespace lathe::trainer::model
