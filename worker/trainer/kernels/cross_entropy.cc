#include "worker/trainer/kernels/cross_entropy.h"

#include "worker/trainer/kernels/ops_cpu.h"
#include "worker/trainer/kernels/ops_device.h"

namespace lathe::trainer::kernels {

RowLosses CrossEntropyRows(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& scales,
                           double soft_cap) {
  return logits.is_cpu() ? cpu::CrossEntropyRows(logits, targets, scales, soft_cap)
                         : accelerator::CrossEntropyRows(logits, targets, scales, soft_cap);
}

}  // namespace lathe::trainer::kernels
