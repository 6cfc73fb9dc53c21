#include "worker/trainer/kernels/cpu/tiles.inc"

namespace lathe::trainer::kernels {
const TileKernels<Bfloat16> kBfloat16Tiles = kTileTable<Bfloat16>;
}  // namespace lathe::trainer::kernels
