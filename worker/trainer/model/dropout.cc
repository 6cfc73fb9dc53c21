#include "worker/trainer/model/dropout.h"

#include <ATen/Context.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include "common/base/random.h"

namespace lathe::trainer::model {

std::uint64_t MixSeed(std::uint64_t seed, std::uint64_t index) {
  return Random(seed ^ Random(index).Next()).Next();
}

at::Tensor DropoutMask(const at::Tensor& x, double probability, std::uint64_t seed) {
  if (probability >= 1) return at::zeros_like(x);
  at::Generator generator = at::globalContext().defaultGenerator(x.device()).clone();
  generator.set_current_seed(seed);
  const double keep = 1 - probability;
  return at::empty_like(x).bernoulli_(keep, generator).div_(keep);
}

}  // namespace lathe::trainer::model
