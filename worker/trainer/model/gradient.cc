#include "worker/trainer/model/gradient.h"

namespace lathe::trainer::model {

void AddRows(const at::Tensor& gradient, const at::Tensor& x) {
  gradient.add_(x.sum(0, false, at::kFloat));
}

}  // namespace lathe::trainer::model
