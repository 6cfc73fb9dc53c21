#include "worker/trainer/kernels/cpu_kernels.h"

#include <sys/syscall.h>
#include <unistd.h>

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
  for (const CpuKernels kernels : {CpuKernels::kTorch, CpuKernels::kAvx512, CpuKernels::kAmx}) {
    if (name == WordFor(kernels)) return kernels;
  }
  return std::nullopt;
}

#if defined(__x86_64__)

/// Whether this process may use matrix units: Linux gives their registers to a process that asks.
bool AskForMatrixUnits() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return __builtin_cpu_supports("amx-tile") != 0 && __builtin_cpu_supports("amx-bf16") != 0 &&
         ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool Has(CpuKernels kernels) {
  if (kernels == CpuKernels::kTorch) return true;
  if (__builtin_cpu_supports("x86-64-v4") == 0) return false;
  if (kernels == CpuKernels::kAvx512) return true;
  static const bool has_matrix_units =
      __builtin_cpu_supports("avx512bf16") != 0 && AskForMatrixUnits();
  return has_matrix_units;
}

TileChoice ChoiceOf(CpuKernels kernels) {
  if (kernels == CpuKernels::kTorch) return {};
  if (kernels == CpuKernels::kAmx) return {&kMatrixUnitFloat32Tiles, &kMatrixUnitTiles};
  return {&kFloat32Tiles, __builtin_cpu_supports("avx512bf16") != 0 ? &kBfloat16Tiles : nullptr};
}

#else

bool Has(CpuKernels kernels) {
  return kernels == CpuKernels::kTorch;
}

#endif

CpuKernels AtFirst() {
  const std::optional<CpuKernels> wanted = Named(Wanted());
  if (wanted && Has(*wanted)) return *wanted;
  for (const CpuKernels best : {CpuKernels::kAmx, CpuKernels::kAvx512}) {
    if (Has(best)) return best;
  }
  return CpuKernels::kTorch;
}

std::atomic<CpuKernels>& Used() {
  static std::atomic<CpuKernels> used = AtFirst();
  return used;
}

}  // namespace

std::string_view WordFor(CpuKernels kernels) {
  constexpr std::array<std::string_view, 3> kNames = {"torch", "avx512", "amx"};
  return kNames[static_cast<std::size_t>(kernels)];
}

Status CheckCpuKernels() {
  const std::string_view wanted = Wanted();
  if (wanted.empty()) return {};
  const std::optional<CpuKernels> kernels = Named(wanted);
  if (kernels && Has(*kernels)) return {};
  return Failure(
      ErrorCode::kInvalidArgument,
      std::string(kVariable) + " is '" + std::string(wanted) +
          (kernels ? "', which this processor does not have, or its system does not allow"
                   : "', not one of torch, avx512, amx"));
}

bool HasCpuKernels(CpuKernels kernels) {
  return Has(kernels);
}
void UseCpuKernels(CpuKernels kernels) {
  Used().store(kernels);
}
CpuKernels UsedCpuKernels() {
  return Used().load();
}

#if defined(__x86_64__)
const TileChoice& UsedTiles() {
  static const std::array<TileChoice, 3> choices = {
      ChoiceOf(CpuKernels::kTorch), ChoiceOf(CpuKernels::kAvx512), ChoiceOf(CpuKernels::kAmx)};
  return choices[static_cast<std::size_t>(UsedCpuKernels())];
}
#endif

}  // namespace lathe::trainer::kernels
