// Weights on their way to another device: what they are when they arrive, and how much of them is
// in host memory meanwhile. The device is the CPU here, beside whose own memory is counted.

#include "worker/trainer/model/weight_reader.h"

#include <ATen/ops/equal.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "tests/parity/support.h"
#include "worker/trainer/model/loader.h"
#include "worker/trainer/model/model_file.h"
#include "worker/trainer/model/weight_plan.h"

namespace lathe::trainer::model {
namespace {

/// Gives tensors on the CPU their memory and counts it, while it exists.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() { c10::SetCPUAllocator(this); }
  ~CountingAllocator() override { c10::SetCPUAllocator(former_); }

  std::size_t peak() const { return peak_; }

  c10::DataPtr allocate(std::size_t size) override {
    auto* block = new Block{this, size, std::aligned_alloc(64, (size + 127) / 64 * 64)};
    held_ += size;
    peak_ = std::max(peak_, held_);
    return {block->memory, block, &Free, at::kCPU};
  }
  void copy_data(void* to, const void* from, std::size_t size) const override {
    default_copy_data(to, from, size);
  }

 private:
  struct Block {
    CountingAllocator* owner;
    std::size_t size;
    void* memory;
  };
  static void Free(void* context) {
    auto* block = static_cast<Block*>(context);
    block->owner->held_ -= block->size;
    std::free(block->memory);
    delete block;
  }

  c10::Allocator* former_ = c10::GetCPUAllocator();
  std::size_t held_ = 0;
  std::size_t peak_ = 0;
};

TEST(WeightReader, HoldsOneWeightAtATimeInHostMemory) {
  const auto folder = parity::Golden("models/llama_tiny");
  const auto file = ModelFile::Open(folder).value();
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    Decoder expected = LoadDecoder(folder, {.dtype = type, .max_positions = 8}).value();
    const std::vector<Placement> wanted = PlanWeights(expected);
    Decoder decoder = AllocateDecoder(expected.description, type, WeightStorage::kDense);
    std::vector<WeightCopy> copies;
    std::size_t largest = 0;
    for (const Placement& placement : PlanWeights(decoder)) {
      copies.push_back({.source = file.Find(placement.name), .destination = placement.destination});
      largest = std::max(largest, placement.destination.nbytes());
    }
    {
      const CountingAllocator memory;
      ASSERT_TRUE(ReadThroughHost(copies, {}, at::kCPU));
      EXPECT_EQ(memory.peak(), largest);
    }
    ASSERT_EQ(copies.size(), wanted.size());
    for (std::size_t i = 0; i < copies.size(); ++i) {
      EXPECT_TRUE(at::equal(copies[i].destination, wanted[i].destination)) << wanted[i].name;
    }
  }
}

}  // namespace
}  // namespace lathe::trainer::model
