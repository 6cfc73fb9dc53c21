#pragma once
// The storage of a method's values: one flat tensor cut into named ones.

#include <span>
#include <string>
#include <vector>

#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

struct NamedShape {
  std::string name;
  std::vector<std::int64_t> shape;
};

struct FlatStorage {
  std::vector<NamedView> views;  ///< in the order of the shapes, without gaps
  at::Tensor parameters;         ///< [P] fp32 zeros
  at::Tensor compute;    ///< the parameters in the compute type; the same tensor when that is fp32
  at::Tensor gradients;  ///< [P] fp32 zeros; undefined for inference
};

/// On the decoder's device and for its compute type.
FlatStorage AllocateFlat(const model::Decoder& decoder, std::span<const NamedShape> shapes,
                         Purpose purpose);

/// A generator whose draws are a function of seed and index alone. Draws are made on the CPU, so
/// that every device starts from the same values.
at::Generator MakeGenerator(std::uint64_t seed, std::uint64_t index);

}  // namespace lathe::trainer::adapters
