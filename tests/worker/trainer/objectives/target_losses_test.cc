#include "worker/trainer/objectives/target_losses.h"

#include <gtest/gtest.h>

namespace lathe::trainer::objectives {
namespace {

TEST(ChunkRowsTest, OnAGpuAreWholeTilesOfItsProducts) {
  const at::Device gpu(at::kCUDA, 0);
  EXPECT_EQ(ChunkRows(128256, gpu), 2048);
  EXPECT_EQ(ChunkRows(151936, gpu), 1536);
  EXPECT_EQ(ChunkRows(500, gpu), 4096);
  EXPECT_EQ(ChunkRows(std::int64_t{1} << 30, gpu), 256);
}

TEST(ChunkRowsTest, OnACpuKeepLogitsSmall) {
  EXPECT_EQ(ChunkRows(128256, at::kCPU), 261);
  EXPECT_EQ(ChunkRows(49152, at::kCPU), 682);
  EXPECT_EQ(ChunkRows(std::int64_t{1} << 30, at::kCPU), 16);
}

}  // namespace
}  // namespace lathe::trainer::objectives
