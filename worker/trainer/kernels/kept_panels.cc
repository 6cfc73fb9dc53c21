#include "worker/trainer/kernels/kept_panels.h"

#include <ATen/ops/empty.h>

#include "common/base/check.h"
#include "worker/trainer/kernels/tile_choice.h"

namespace lathe::trainer::kernels {

bool GainsByKeptPanels(at::ScalarType type) {
#if defined(__x86_64__)
  const TileChoice& tiles = UsedTiles();
  if (type == at::kFloat) return tiles.fp32 != nullptr && tiles.fp32->shape.keeps_panels;
  if (type == at::kBFloat16) return tiles.bf16 != nullptr && tiles.bf16->shape.keeps_panels;
#endif
  return false;
}

KeptPanels::Part& KeptPanels::Of(std::int64_t begin, std::int64_t panels,
                                 std::int64_t panel_units) {
  for (Part& part : parts_) {
    if (part.begin != begin) continue;
    LATHE_CHECK(part.panel_units == panel_units && std::ssize(part.packed) == panels,
                "kept panels are those of one product");
    return part;
  }
  return parts_.emplace_back(
      Part{.begin = begin,
           .panel_units = panel_units,
           .panels = at::empty({panels * panel_units}, at::kInt),
           .packed = std::vector<std::uint8_t>(static_cast<std::size_t>(panels))});
}

}  // namespace lathe::trainer::kernels
