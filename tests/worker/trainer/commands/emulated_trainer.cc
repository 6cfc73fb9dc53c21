// lathe-trainer with bf16 products by matrix units, which are emulated where the processor has
// none.

#include <cstdio>

#include "tests/worker/trainer/kernels/amx_emulator.h"
#include "worker/trainer/commands/command_line.h"
#include "worker/trainer/kernels/cpu_kernels.h"

int main(int argc, char** argv) {
  namespace kernels = lathe::trainer::kernels;
  const bool emulate = !kernels::HasCpuKernels(kernels::CpuKernels::kAmx);
  if (emulate) kernels::EmulateMatrixUnits();
  kernels::UseCpuKernels(kernels::CpuKernels::kAmx);
  const int code = lathe::trainer::commands::RunCommandLine(argc, argv);
  if (code != 0 || !emulate) return code;
  std::fprintf(stderr, "%lld products of tile registers\n",
               static_cast<long long>(kernels::EmulatedProducts()));
  return kernels::EmulatedProducts() > 0 && kernels::ConfiguredThreads() == 0 ? 0 : 99;
}
