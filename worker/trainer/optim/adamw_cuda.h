#pragma once
// AdamW and its 8-bit form by kernels of our own on a GPU: one pass over memory, nothing allocated
// or waited for. Private to this room and its tests.

#include "worker/trainer/optim/adamw_8bit.h"

namespace lathe::trainer::optim {

/// As adamw::UpdateSlice.
void UpdateSliceByKernel(const adamw::Factors& factors, const adamw::Slice& slice);
/// As adamw_8bit::UpdateBlocksFused.
void UpdateBlocksByKernel(const adamw::Factors& factors, const adamw_8bit::BlockSlice& slice);

}  // namespace lathe::trainer::optim
