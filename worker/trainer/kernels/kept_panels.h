#pragma once
// Panels of weights that never change, kept from the first product to all that follow.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <vector>

namespace lathe::trainer::kernels {

/// Whether products of training with weights of this type are faster by it: where packing a panel
/// takes a part of a product's time that is worth as much memory again as the weight has.
bool GainsByKeptPanels(at::ScalarType type);

/// Of one weight as one product takes it: always the same weight, cut into the same panels. One
/// product at a time.
class KeptPanels {
 public:
  /// Of one part of the depth.
  struct Part {
    std::int64_t begin = 0;  ///< of the depth
    std::int64_t panel_units = 0;
    at::Tensor panels;                 ///< [panels][panel_units]
    std::vector<std::uint8_t> packed;  ///< [panels]; written by the thread that packs one
    std::uint32_t* At(std::int64_t panel) const {
      return static_cast<std::uint32_t*>(panels.data_ptr()) + panel * panel_units;
    }
  };
  /// Space is made when a part is first asked for.
  Part& Of(std::int64_t begin, std::int64_t panels, std::int64_t panel_units);

 private:
  std::deque<Part> parts_;  // Whose places stay.
};

}  // namespace lathe::trainer::kernels
