#pragma once
// Who computes matrix products and attention on a CPU: own kernels for the instructions that this
// processor has, or torch. Decided once a process, so that a machine's results are the same in
// every process; the environment variable LATHE_CPU_KERNELS (torch, avx512 or amx) decides
// otherwise, for results that are the same on machines with different processors.

#include <string_view>

#include "common/base/result.h"

namespace lathe::trainer::kernels {

enum class CpuKernels {
  kTorch,
  kAvx512,  ///< fp32; bf16, too, where the processor has its dot products
  kAmx,     ///< both by matrix units, fp32 as sums of bf16 values (cpu/tiles_amx_fp32.cc)
};

/// As LATHE_CPU_KERNELS spells it.
std::string_view WordFor(CpuKernels kernels);

/// Fails where LATHE_CPU_KERNELS is no such word, or means what this processor does not have.
Status CheckCpuKernels();

/// Whether this processor has the instructions.
bool HasCpuKernels(CpuKernels kernels);

/// What is used from now on, by all threads. Not while something is being computed. For tests.
void UseCpuKernels(CpuKernels kernels);
CpuKernels UsedCpuKernels();

}  // namespace lathe::trainer::kernels
