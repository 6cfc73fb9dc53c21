// What the emulation promises: barriers, shuffles, and that a race shows.

#include "worker/trainer/kernels/cuda/emulation.h"

#include <gtest/gtest.h>

#include <vector>

#include "worker/trainer/kernels/cuda/device_language.h"

namespace lathe::trainer::kernels::cuda {
namespace {

LATHE_KERNEL Reverse(const int* from, int* to) {
  LATHE_SHARED int shared[96];
  shared[ThreadIndex()] = from[BlockIndex() * BlockSize() + ThreadIndex()];
  SyncBlock();
  to[BlockIndex() * BlockSize() + ThreadIndex()] = shared[BlockSize() - 1 - ThreadIndex()];
}

LATHE_KERNEL ReverseWithoutBarrier(const int* from, int* to) {
  LATHE_SHARED int shared[96];
  shared[ThreadIndex()] = from[ThreadIndex()];
  to[ThreadIndex()] = shared[BlockSize() - 1 - ThreadIndex()];
}

LATHE_KERNEL SumOfWarps(const int* from, int* to) {
  int value = from[ThreadIndex()];
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += ShuffleXor(value, mask);
  if (ThreadIndex() % kWarp == 0) to[ThreadIndex() / kWarp] = value;
}

LATHE_KERNEL HalfABarrier() {
  if (ThreadIndex() < 32) SyncBlock();
}

std::vector<int> Numbers(int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(i * i);
  return numbers;
}

TEST(EmulationTest, ThreadsMeetAtBarriers) {
  const std::vector<int> from = Numbers(192);
  for (const auto order : {emulation::Order::kRising, emulation::Order::kFalling}) {
    std::vector<int> to(192);
    emulation::SetOrder(order);
    Launch(Reverse, 2, 96, nullptr, from.data(), to.data());
    for (std::size_t i = 0; i < 96; ++i) {
      EXPECT_EQ(to[i], from[95 - i]);
      EXPECT_EQ(to[96 + i], from[191 - i]);
    }
  }
  emulation::SetOrder(emulation::Order::kRising);
}

TEST(EmulationTest, AMissingBarrierShows) {
  const std::vector<int> from = Numbers(96);
  std::vector<int> to(96);
  Launch(ReverseWithoutBarrier, 1, 96, nullptr, from.data(), to.data());
  EXPECT_NE(to[0], from[95]);
}

TEST(EmulationTest, WarpsExchangeValues) {
  const std::vector<int> from = Numbers(64);
  std::vector<int> to(2);
  Launch(SumOfWarps, 1, 64, nullptr, from.data(), to.data());
  EXPECT_EQ(to[0], 31 * 32 * 63 / 6);
  EXPECT_EQ(to[0] + to[1], 63 * 64 * 127 / 6);
}

TEST(EmulationDeathTest, ABarrierThatSomeThreadsMissEndsTheProgram) {
  EXPECT_DEATH(Launch(HalfABarrier, 1, 64, nullptr), "reaches each barrier");
}

}  // namespace
}  // namespace lathe::trainer::kernels::cuda
