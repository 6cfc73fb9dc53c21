#include "worker/trainer/formats/dtype.h"

#include <gtest/gtest.h>

#include <array>

namespace lathe::trainer::formats {
namespace {

TEST(DType, NamesAndNumbersLeadBackToTheType) {
  EXPECT_EQ(FromSafetensorsName("BF16"), DType::kBF16);
  EXPECT_EQ(FromSafetensorsName("Q4_1"), std::nullopt);
  EXPECT_EQ(FromGgmlType(3), DType::kQ4_1);
  EXPECT_EQ(FromGgmlType(99), std::nullopt);
  for (int i = 0; i <= static_cast<int>(DType::kQ6_K); ++i) {
    EXPECT_EQ(InfoOf(static_cast<DType>(i)).dtype, static_cast<DType>(i));
  }
}

TEST(DType, SizesFollowFromBlocks) {
  EXPECT_EQ(ByteSize(DType::kF32, std::array<std::int64_t, 2>{3, 2}).value(), 24U);
  EXPECT_EQ(ByteSize(DType::kF32, {}).value(), 4U);
  EXPECT_EQ(ByteSize(DType::kQ4_1, std::array<std::int64_t, 2>{3, 64}).value(), 120U);
  EXPECT_EQ(ByteSize(DType::kQ6_K, std::array<std::int64_t, 1>{256}).value(), 210U);
}

TEST(DType, RefusesImpossibleShapes) {
  EXPECT_FALSE(ByteSize(DType::kQ4_1, std::array<std::int64_t, 2>{32, 3}));
  EXPECT_FALSE(ByteSize(DType::kF32, std::array<std::int64_t, 1>{-1}));
  EXPECT_FALSE(ByteSize(DType::kU8, std::array<std::int64_t, 2>{INT64_MAX, 2}));
  EXPECT_FALSE(ByteSize(DType::kF64, std::array<std::int64_t, 1>{INT64_MAX}));
}

}  // namespace
}  // namespace lathe::trainer::formats
