#include "worker/trainer/adapters/trainable.h"

#include <functional>
#include <numeric>

namespace lathe::trainer::adapters {

std::int64_t NamedView::Count() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

at::Tensor NamedView::Of(const at::Tensor& flat) const {
  return flat.narrow(0, offset, Count()).view(shape);
}

}  // namespace lathe::trainer::adapters
