#include "worker/trainer/kernels/cpu_kernels.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "worker/trainer/kernels/tile_choice.h"

namespace lathe::trainer::kernels {
namespace {

constexpr const char* kVariable = "LATHE_CPU_KERNELS";

std::string_view Wanted() {
  const char* const value = std::getenv(kVariable);
  return value == nullptr ? std::string_view() : value;
}

std::optional<CpuKernels> Named(std::string_view name) {
  if (name == "torch") return CpuKernels::kTorch;
  if (name == "avx512") return CpuKernels::kAvx512;
  return std::nullopt;
}

#if defined(__x86_64__)
bool Has(CpuKernels kernels) {
  return kernels == CpuKernels::kTorch || __builtin_cpu_supports("x86-64-v4") != 0;
}

TileChoice ChoiceOf(CpuKernels kernels) {
  if (kernels == CpuKernels::kTorch) return {};
  // Torch uses matrix units for bf16 where there are any.
  const bool bf16 =
      __builtin_cpu_supports("avx512bf16") != 0 && __builtin_cpu_supports("amx-bf16") == 0;
  return {&kFloat32Tiles, bf16 ? &kBfloat16Tiles : nullptr};
}
#else
bool Has(CpuKernels kernels) {
  return kernels == CpuKernels::kTorch;
}
#endif

CpuKernels AtFirst() {
  const std::optional<CpuKernels> wanted = Named(Wanted());
  if (wanted && Has(*wanted)) return *wanted;
  return Has(CpuKernels::kAvx512) ? CpuKernels::kAvx512 : CpuKernels::kTorch;
}

std::atomic<CpuKernels>& Used() {
  static std::atomic<CpuKernels> used = AtFirst();
  return used;
}

}  // namespace

Status CheckCpuKernels() {
  const std::string_view wanted = Wanted();
  if (wanted.empty()) return {};
  const std::optional<CpuKernels> kernels = Named(wanted);
  if (kernels && Has(*kernels)) return {};
  return Failure(ErrorCode::kInvalidArgument,
                 std::string(kVariable) + " is '" + std::string(wanted) +
                     (kernels ? "', instructions that this processor does not have"
                              : "', not one of torch, avx512"));
}

void UseCpuKernels(CpuKernels kernels) {
  Used().store(kernels);
}
CpuKernels UsedCpuKernels() {
  return Used().load();
}

#if defined(__x86_64__)
const TileChoice& UsedTiles() {
  static const std::array<TileChoice, 2> choices = {ChoiceOf(CpuKernels::kTorch),
                                                    ChoiceOf(CpuKernels::kAvx512)};
  return choices[static_cast<std::size_t>(UsedCpuKernels())];
}
#endif

}  // namespace lathe::trainer::kernels
