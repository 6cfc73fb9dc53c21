#include "worker/trainer/kernels/cpu/tiles.inc"

namespace lathe::trainer::kernels {
const TileKernels<float> kFloat32Tiles = kTileTable<float>;
}  // namespace lathe::trainer::kernels
