#pragma once
// Tests of what is computed by own kernels, once for each type and set of kernels that this
// processor has; matrix units are emulated where it has none.

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/worker/trainer/kernels/amx_emulator.h"
#include "worker/trainer/kernels/cpu_kernels.h"

namespace lathe::trainer::kernels {

struct KernelSet {
  at::ScalarType type = at::kFloat;
  CpuKernels kernels = CpuKernels::kAvx512;
};

class KernelSetTest : public testing::TestWithParam<KernelSet> {
 protected:
  void SetUp() override {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(9);
    const bool matrix_units = GetParam().kernels == CpuKernels::kAmx;
    if (matrix_units && !HasCpuKernels(CpuKernels::kAmx)) {
      if (!CanEmulateMatrixUnits())
        GTEST_SKIP() << "matrix units are emulated on processors with AVX-512";
      EmulateMatrixUnits();
    } else if (!HasCpuKernels(GetParam().kernels)) {
      GTEST_SKIP() << "this processor has no kernels of this set";
    }
    UseCpuKernels(GetParam().kernels);
  }
  void TearDown() override {
    UseCpuKernels(before_);
    EXPECT_EQ(ConfiguredThreads(), 0) << "tile registers are given back";
  }

  static at::Tensor Random(std::int64_t rows, std::int64_t columns) {
    return at::randn({rows, columns}, at::kFloat).to(GetParam().type);
  }

 private:
  CpuKernels before_ = UsedCpuKernels();
};

inline auto KernelSets() {
  return testing::Values(
      KernelSet{at::kFloat, CpuKernels::kAvx512}, KernelSet{at::kBFloat16, CpuKernels::kAvx512},
      KernelSet{at::kFloat, CpuKernels::kAmx}, KernelSet{at::kBFloat16, CpuKernels::kAmx});
}
inline std::string NameOf(const testing::TestParamInfo<KernelSet>& set) {
  return std::string(toString(set.param.type)) +
         (set.param.kernels == CpuKernels::kAmx ? "MatrixUnits" : "Avx512");
}

}  // namespace lathe::trainer::kernels
