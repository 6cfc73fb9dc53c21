#include "worker/trainer/formats/dequantize.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "worker/trainer/formats/float16.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::formats {
namespace {

std::filesystem::path Golden(const char* name) {
  return std::filesystem::path(std::getenv("LATHE_SOURCE_DIR")) / "tests/golden/gguf" / name;
}

struct Case {
  const char* file;
  const char* tensor;
  DType dtype;
};

class Dequantize : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    file_ = Safetensors::OpenFile(Golden(GetParam().file)).value();
    const std::string name = GetParam().tensor;
    const TensorInfo* expected = file_.Find(name + ".f32");
    const TensorInfo* raw = file_.Find(name + ".raw");
    ASSERT_TRUE(expected != nullptr && raw != nullptr);
    tensor_ = {name, GetParam().dtype, expected->shape, raw->data};
    expected_.resize(expected->data.size() / sizeof(float));
    std::memcpy(expected_.data(), expected->data.data(), expected->data.size());
  }
  Safetensors file_;
  TensorInfo tensor_;
  std::vector<float> expected_;
};

TEST_P(Dequantize, IsBitEqualToTheReference) {
  std::vector<float> out(expected_.size());
  ASSERT_TRUE(DequantizeRows(tensor_, {0, RowCount(tensor_)}, out));
  EXPECT_EQ(std::memcmp(out.data(), expected_.data(), out.size() * sizeof(float)), 0);
}

TEST_P(Dequantize, ARowRangeIsThatPartOfTheWhole) {
  const auto row = static_cast<std::size_t>(RowElements(tensor_));
  std::vector<float> out(2 * row);
  ASSERT_TRUE(DequantizeRows(tensor_, {3, 5}, out));
  EXPECT_EQ(std::memcmp(out.data(), expected_.data() + 3 * row, out.size() * sizeof(float)), 0);
}

TEST_P(Dequantize, Bfloat16IsTheRoundedFloat) {
  std::vector<std::uint16_t> out(expected_.size());
  ASSERT_TRUE(DequantizeRowsToBfloat16(tensor_, {0, RowCount(tensor_)}, out));
  for (std::size_t i = 0; i < out.size(); ++i) {
    ASSERT_EQ(out[i], FloatToBfloat16(expected_[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, Dequantize,
    testing::Values(Case{"dequant_check.safetensors", "q4_1", DType::kQ4_1},
                    Case{"dequant_check.safetensors", "q8_0", DType::kQ8_0},
                    Case{"dequant_random_blocks.safetensors", "q4_0", DType::kQ4_0},
                    Case{"dequant_random_blocks.safetensors", "q5_0", DType::kQ5_0},
                    Case{"dequant_random_blocks.safetensors", "q5_1", DType::kQ5_1},
                    Case{"dequant_random_blocks.safetensors", "q4_k", DType::kQ4_K},
                    Case{"dequant_random_blocks.safetensors", "q6_k", DType::kQ6_K}),
    [](const auto& test) { return std::string(test.param.tensor); });

TEST(DequantizePlain, HalvesAndDoublesConvert) {
  const std::uint16_t halves[2] = {0x3C00, 0xC000};
  float out[2];
  ASSERT_TRUE(
      DequantizeRows({"h", DType::kF16, {2}, std::as_bytes(std::span(halves))}, {0, 1}, out));
  EXPECT_EQ(out[0], 1.0F);
  EXPECT_EQ(out[1], -2.0F);
  const double wide[2] = {0.5, -3.0};
  ASSERT_TRUE(DequantizeRows({"d", DType::kF64, {2, 1}, std::as_bytes(std::span(wide))}, {1, 2},
                             std::span(out).first(1)));
  EXPECT_EQ(out[0], -3.0F);
}

TEST(DequantizePlain, RefusesIntegersAndRangesOutside) {
  const std::int32_t ids[2] = {1, 2};
  float out[2];
  const TensorInfo integers{"ids", DType::kI32, {2}, std::as_bytes(std::span(ids))};
  EXPECT_EQ(DequantizeRows(integers, {0, 1}, out).error().code, ErrorCode::kInvalidArgument);
  const TensorInfo floats{"f", DType::kF32, {2}, std::as_bytes(std::span(ids))};
  EXPECT_FALSE(DequantizeRows(floats, {0, 2}, out));
  EXPECT_FALSE(DequantizeRows(floats, {-1, 0}, out));
  EXPECT_FALSE(DequantizeRows(floats, {0, 1}, std::span(out).first(1)));
}

}  // namespace
}  // namespace lathe::trainer::formats
