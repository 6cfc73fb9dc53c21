#include "worker/trainer/quantization/scratch.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

namespace lathe::trainer::quantization {
namespace {

TEST(Scratch, ReusesMemoryThatNobodyHolds) {
  Scratch scratch;
  const void* first = scratch.Take(8, 16, at::kFloat).data_ptr();
  const at::Tensor second = scratch.Take(4, 16, at::kBFloat16);
  EXPECT_EQ(second.data_ptr(), first);
  EXPECT_EQ(second.sizes(), (at::IntArrayRef{4, 16}));
  EXPECT_EQ(second.scalar_type(), at::kBFloat16);
}

TEST(Scratch, NeverGivesMemoryThatSomebodyHolds) {
  Scratch scratch;
  const at::Tensor first = scratch.Take(8, 16, at::kFloat);
  const at::Tensor view = first.t();
  const at::Tensor second = scratch.Take(8, 16, at::kFloat);
  EXPECT_NE(second.data_ptr(), first.data_ptr());
}

TEST(Scratch, GrowsWhenMoreIsAsked) {
  Scratch scratch;
  EXPECT_EQ(scratch.Take(2, 2, at::kFloat).numel(), 4);
  EXPECT_EQ(scratch.Take(100, 100, at::kFloat).numel(), 10000);
  EXPECT_EQ(scratch.Take(100, 100, at::kFloat).numel(), 10000);
}

}  // namespace
}  // namespace lathe::trainer::quantization
