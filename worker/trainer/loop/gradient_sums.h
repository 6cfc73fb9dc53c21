#pragma once
// The sums of gradients over all processes, begun while the last backward pass of a step still goes
// down the layers: what lies above it is complete. The flat gradients are cut into parts by what
// they belong to, so that sums come in the same order in every process and every run.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/distributed/group.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::loop {

/// Elements [begin, end) of the flat gradients: complete when the backward pass has done `layer`.
struct GradientPart {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::size_t layer = 0;

  bool operator==(const GradientPart&) const = default;
};

/// In the order in which they are complete; what none of them covers is so after the whole pass.
/// Neighbouring layers share a part of at least `least` elements. Empty where gradients do not lie
/// layer by layer, or are computed from others after the pass.
std::vector<GradientPart> PartsOf(const model::Decoder& decoder,
                                  const adapters::Trainable& trainable, std::int64_t least);

/// One step's sums. Every process calls the same, with parts that are the same everywhere.
class GradientSums {
 public:
  /// All three must outlive it.
  GradientSums(const distributed::Group& group, const at::Tensor& gradients,
               const std::vector<GradientPart>& parts);

  /// The last backward pass has done a layer and those above it.
  void LayerDone(std::size_t layer);
  /// The gradients are complete. What is computed from here on sees all sums.
  void Finish();

 private:
  void Begin(std::int64_t begin, std::int64_t end);

  const distributed::Group& group_;
  const at::Tensor& gradients_;
  const std::vector<GradientPart>& parts_;
  std::size_t next_ = 0;
  std::vector<distributed::Gathering> running_;
};

}  // namespace lathe::trainer::loop
