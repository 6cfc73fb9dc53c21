#pragma once
// A decoder of a described shape with random weights, made where it is computed with: for
// measurements, which need a model's size and not what it knows.

#include "worker/trainer/model/loader.h"

namespace lathe::trainer::model {

/// Weights are drawn from N(0, 0.02^2), norms are the identity. Quantised weights are random codes
/// with one scale.
Decoder RandomDecoder(const ModelDescription& description, const LoadOptions& options);

}  // namespace lathe::trainer::model
