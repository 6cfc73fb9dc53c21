#pragma once
// The norms that DoRA divides by: the length of each row of W + scale * B A, or of what composed
// adapters have made of W, without ever forming that sum. Private to this room.

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

/// Those of all adapted layers. Shares the weights with the decoder, which need not live on; where
/// its layers are held in parts by several processes it must, and every one of them makes each call
/// here at the same time.
class DoraNorms {
 public:
  /// A layer, by its fused one and its place within that.
  struct Place {
    std::size_t group = 0;
    std::size_t part = 0;
  };
  /// Of no layer.
  DoraNorms() = default;
  /// Takes the norms of the weights alone, which do not change. Places in the order of groups.
  DoraNorms(const model::Decoder& decoder, std::vector<Place> places);

  /// What is made of a weight: factor * W + scale * B A, with a [rank, in], b [out, rank] and a
  /// factor [out] of its rows, all fp32. An undefined factor is 1.
  struct Addition {
    const at::Tensor& a;
    const at::Tensor& b;
    double scale = 1;
    at::Tensor factor = {};
  };
  /// Gives `use` the norms [out] fp32 of one layer after the other, by its place's index.
  void Measure(const std::function<Addition(std::size_t)>& addition,
               const std::function<void(std::size_t, const at::Tensor& norms)>& use) const;

 private:
  void Visit(const std::function<void(std::size_t, const model::FusedLinear&)>& body) const;

  std::vector<Place> places_;
  at::ScalarType compute_type_ = at::kFloat;
  std::vector<model::FusedLinear> linears_;  ///< by place, each alone; empty: held in parts
  const model::Decoder* in_parts_ = nullptr;
  std::vector<at::Tensor> squares_;  ///< by place, [out] fp32: the squared lengths of rows of W
};

}  // namespace lathe::trainer::adapters
