#include "worker/trainer/model/gradient.h"

#include <ATen/ops/mm.h>

namespace lathe::trainer::model {

void AddProduct(const at::Tensor& gradient, const at::Tensor& left, const at::Tensor& right) {
  if (left.scalar_type() == at::kFloat) {
    gradient.addmm_(left, right);
  } else if (left.is_cuda()) {
    gradient.add_(at::mm(left, right, at::kFloat));
  } else {
    gradient.add_(at::mm(left, right));
  }
}

void AddRows(const at::Tensor& gradient, const at::Tensor& x) {
  gradient.add_(x.sum(0, false, at::kFloat));
}

}  // namespace lathe::trainer::model
