#include "worker/trainer/kernels/low_rank.h"

#if defined(LATHE_CUDA_KERNELS)
#include "worker/trainer/kernels/cuda/low_rank_cuda.h"
#include "worker/trainer/kernels/cuda/tensor.h"
#else
#include "common/base/check.h"
#endif

namespace lathe::trainer::kernels {

#if defined(LATHE_CUDA_KERNELS)

bool HasFusedProjections(const at::Tensor& x, std::span<const Projection> projections) {
  return cuda::RunsKernels(x) && cuda::Fits(x, projections);
}
at::Tensor FusedProjections(const at::Tensor& x, std::span<const Projection> projections) {
  return cuda::Project(x, projections);
}
bool HasFusedOuterProducts(std::span<const OuterTerm> terms) {
  return !terms.empty() && cuda::RunsKernels(terms.front().left) && cuda::Fits(terms);
}
void AddFusedOuterProducts(std::span<const OuterTerm> terms) {
  cuda::AddOuterProducts(terms);
}

#else

bool HasFusedProjections(const at::Tensor&, std::span<const Projection>) {
  return false;
}
at::Tensor FusedProjections(const at::Tensor&, std::span<const Projection>) {
  LATHE_CHECK(false, "this build has no kernels for a GPU");
}
bool HasFusedOuterProducts(std::span<const OuterTerm>) {
  return false;
}
void AddFusedOuterProducts(std::span<const OuterTerm>) {
  LATHE_CHECK(false, "this build has no kernels for a GPU");
}

#endif

}  // namespace lathe::trainer::kernels
