#include "worker/trainer/quantization/cpu/block_kernels.h"

#include <string_view>

namespace lathe::trainer::quantization {

namespace baseline {
extern const BlockKernels kKernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const BlockKernels kKernels;
}
namespace avx512 {
extern const BlockKernels kKernels;
}
#endif

const BlockKernels* KernelsOf(const char* instruction_set) {
  const std::string_view name = instruction_set;
#if defined(__x86_64__)
  if (name == "avx512") return __builtin_cpu_supports("x86-64-v4") ? &avx512::kKernels : nullptr;
  if (name == "avx2") return __builtin_cpu_supports("x86-64-v3") ? &avx2::kKernels : nullptr;
#endif
  return name == "baseline" ? &baseline::kKernels : nullptr;
}

const BlockKernels& Kernels() {
  static const BlockKernels& best = []() -> const BlockKernels& {
    for (const char* name : {"avx512", "avx2"}) {
      if (const BlockKernels* kernels = KernelsOf(name)) return *kernels;
    }
    return baseline::kKernels;
  }();
  return best;
}

}  // namespace lathe::trainer::quantization
