#include "worker/trainer/adapters/flat.h"

#include <ATen/Context.h>
#include <ATen/ops/zeros.h>

#include "worker/trainer/model/dropout.h"

namespace lathe::trainer::adapters {

FlatStorage AllocateFlat(const model::Decoder& decoder, std::span<const NamedShape> shapes,
                         Purpose purpose) {
  FlatStorage flat;
  std::int64_t total = 0;
  for (const NamedShape& shape : shapes) {
    flat.views.push_back({shape.name, shape.shape, total});
    total += flat.views.back().Count();
  }
  const auto options = at::TensorOptions().dtype(at::kFloat).device(decoder.device());
  flat.parameters = at::zeros({total}, options);
  flat.compute =
      decoder.dtype() == at::kFloat ? flat.parameters : flat.parameters.to(decoder.dtype());
  if (purpose == Purpose::kTraining) flat.gradients = at::zeros({total}, options);
  return flat;
}

at::Generator MakeGenerator(std::uint64_t seed, std::uint64_t index) {
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(model::MixSeed(seed, index));
  return generator;
}

}  // namespace lathe::trainer::adapters
